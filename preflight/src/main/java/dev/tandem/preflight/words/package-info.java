/** Command lines as the programs of the guides read them. Entry: {@link dev.tandem.preflight.words.ArgparseWords}. */
@NullMarked
package dev.tandem.preflight.words;

import org.jspecify.annotations.NullMarked;
