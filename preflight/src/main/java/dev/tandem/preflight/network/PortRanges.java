package dev.tandem.preflight.network;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/** Ports as people write them: {@code 8004, 30000-30015}. */
public final class PortRanges {
    private static final int MAX_PORT = 65_535;
    private static final int MOST_PORTS = 4_096;

    private PortRanges() {}

    /** Neighbours together. */
    public static String text(Collection<Integer> ports) {
        var parts = new ArrayList<String>();
        int from = -1;
        int last = -1;
        for (int port : new TreeSet<>(ports)) {
            if (from >= 0 && port == last + 1) {
                last = port;
                continue;
            }
            add(parts, from, last);
            from = port;
            last = port;
        }
        add(parts, from, last);
        return String.join(", ", parts);
    }

    private static void add(List<String> parts, int from, int last) {
        if (from >= 0) {
            parts.add(from == last ? Integer.toString(from) : from + "-" + last);
        }
    }

    /**
     * Reads {@code 8004,30000-30015}.
     *
     * @throws IllegalArgumentException naming the part and the limits
     */
    public static List<Integer> parse(String text) {
        var ports = new TreeSet<Integer>();
        for (String part : text.split(",", -1)) {
            if (!part.matches("\\d{1,5}(-\\d{1,5})?")) {
                throw new IllegalArgumentException("'" + part + "' is neither a port nor a range such as 30000-30015");
            }
            String[] ends = part.split("-", -1);
            int from = Integer.parseInt(ends[0]);
            int last = Integer.parseInt(ends[ends.length - 1]);
            if (from < 1 || last > MAX_PORT || from > last || last - from + ports.size() >= MOST_PORTS) {
                throw new IllegalArgumentException("'" + part + "' is outside [1, " + MAX_PORT
                        + "], runs backwards, or makes more than " + MOST_PORTS + " ports");
            }
            for (int port = from; port <= last; port++) {
                ports.add(port);
            }
        }
        return List.copyOf(ports);
    }
}
