/**
 * Counts of what happened, one enum per module. Entry: {@link dev.tandem.counter.Counters}. Added to and read by any thread; the metrics
 * page reads them when it is asked for.
 */
@NullMarked
package dev.tandem.counter;

import org.jspecify.annotations.NullMarked;
