package dev.tandem.preflight.ranktable;

import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** What a node computes on. */
public enum DeviceKind {
    /** No accelerator: each rank has its node's address. */
    CPU,
    /** Atlas A2: each device has a network port with an address. */
    A2,
    /** Atlas A3: each device has a virtual port and a place in a super pod. */
    A3;

    /** The kind as flags and messages write it. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    public static Optional<DeviceKind> of(String word) {
        return Stream.of(values()).filter(kind -> kind.word().equals(word)).findFirst();
    }
}
