package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffRole;
import java.util.Map;

/** Reads {@code kv_transfer_params} of a request: untrusted JSON. Pure. */
public final class HandoffParams {
    private HandoffParams() {}

    /**
     * The part that this node is asked to play.
     *
     * @param params the JSON object as plain values
     * @throws IllegalArgumentException naming the key, what was found and what is allowed
     */
    public static HandoffRole parse(Map<String, ?> params) {
        throw new IllegalStateException("contract only " + params);
    }
}
