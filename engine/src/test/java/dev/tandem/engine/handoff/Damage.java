package dev.tandem.engine.handoff;

import java.util.Arrays;
import java.util.SplittableRandom;

/** What a broken or hostile peer may make of a message. */
public final class Damage {
    private Damage() {}

    /** A copy that is cut short one time in four, with one to three bytes overwritten. */
    public static byte[] of(byte[] payload, SplittableRandom random) {
        byte[] damaged =
                random.nextInt(4) == 0 ? Arrays.copyOf(payload, random.nextInt(payload.length + 1)) : payload.clone();
        for (int flip = random.nextInt(1, 4); flip > 0 && damaged.length > 0; flip--) {
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
        }
        return damaged;
    }
}
