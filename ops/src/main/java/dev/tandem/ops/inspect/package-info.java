/** What a checkpoint holds, for people and for programs. Entry: {@link dev.tandem.ops.inspect.Inspection}. Pure. */
@NullMarked
package dev.tandem.ops.inspect;

import org.jspecify.annotations.NullMarked;
