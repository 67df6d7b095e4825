/** Command lines as the programs of the guides read them. Entry: {@link dev.tandem.ops.words.ArgparseWords}. */
@NullMarked
package dev.tandem.ops.words;

import org.jspecify.annotations.NullMarked;
