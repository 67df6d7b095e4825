package dev.tandem.api.metrics;

import io.prometheus.metrics.core.datapoints.DistributionDataPoint;

/** Counts observations in buckets. Thread-safe, does not block. */
public final class Histogram {
    private final DistributionDataPoint series;

    Histogram(DistributionDataPoint series) {
        this.series = series;
    }

    /** Counts one observation, in the unit that the name ends in. */
    public void record(double value) {
        series.observe(value);
    }

    /** How many observations there were. */
    public long count() {
        return series.getCount();
    }
}
