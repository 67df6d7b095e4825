package dev.tandem.preflight;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/** Which value is had by whom, for findings that compare nodes or devices. Used by one thread. */
public final class Owners {
    private final SortedMap<String, List<String>> owners = new TreeMap<>();

    /** Adds an owner of a value. */
    public void add(String value, String owner) {
        owners.computeIfAbsent(value, _ -> new ArrayList<>()).add(owner);
    }

    /** The owners of each value, by value, in the order in which they were added. */
    public SortedMap<String, List<String>> byValue() {
        return Collections.unmodifiableSortedMap(owners);
    }

    /** All of them, such as {@code 1500 on 10.0.0.1, 10.0.0.2; 9000 on 10.0.0.3}. */
    @Override
    public String toString() {
        var parts = new ArrayList<String>();
        owners.forEach((value, having) -> parts.add(value + " on " + String.join(", ", having)));
        return String.join("; ", parts);
    }
}
