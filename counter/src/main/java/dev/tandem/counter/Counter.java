package dev.tandem.counter;

import java.util.Locale;

/** One thing that a module counts: a constant of the module's counter enum. */
public interface Counter {
    /** The name of the constant. */
    String name();

    /** What is counted and what its growth hints at; operators read it on the metrics page. */
    String sentence();

    /** The part of the series' name that tells this counter from its siblings, such as {@code leases_expired}. */
    default String seriesName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
