/**
 * The metrics page in Prometheus' text format. Entry: {@link dev.tandem.api.metrics.MetricsPage}. Registered at start, read by any
 * thread.
 */
@NullMarked
package dev.tandem.api.metrics;

import org.jspecify.annotations.NullMarked;
