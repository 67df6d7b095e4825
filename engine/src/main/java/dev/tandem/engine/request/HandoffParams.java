package dev.tandem.engine.request;

import java.util.Map;

/** Reads {@code kv_transfer_params} of a request: JSON that a client may have written. Pure. */
public final class HandoffParams {
    private static final int MAX_URL = 2048;

    private HandoffParams() {}

    /**
     * The part that this node is asked to play: {@code do_remote_decode} on the prefill node (for a pull the other keys are null there or
     * absent, for a push they name the decode node's blocks), {@code do_remote_prefill} and a ticket or a {@code metaserver} on the decode
     * node, neither for a node that does both.
     *
     * @param params the JSON object as plain values: numbers, strings, lists, maps, null
     * @throws IllegalArgumentException naming the key, what was found and what is allowed; the message may go to the client
     */
    public static HandoffRole parse(Map<String, ?> params) {
        boolean isPrefill = flag(params, "do_remote_decode");
        boolean isDecode = flag(params, "do_remote_prefill");
        if (isPrefill && isDecode) {
            throw new IllegalArgumentException(
                    "kv_transfer_params.do_remote_decode and do_remote_prefill are both true; one node plays one part");
        }
        boolean hasBlocks = params.get("remote_block_ids") != null;
        if (isPrefill) {
            return hasBlocks ? new HandoffRole.Push(HandoffTicket.fromParams(params)) : new HandoffRole.Lend();
        }
        if (!isDecode) {
            return new HandoffRole.None();
        }
        if (params.get("metaserver") != null && !hasBlocks) {
            Object seal = params.get(HandoffTicket.SEAL);
            return new HandoffRole.Receive(metaserver(params.get("metaserver")), seal instanceof String hex ? hex : "");
        }
        return new HandoffRole.Fetch(HandoffTicket.fromParams(params));
    }

    private static String metaserver(Object value) {
        if (!(value instanceof String url) || url.isBlank() || url.length() > MAX_URL) {
            throw new IllegalArgumentException(
                    "kv_transfer_params.metaserver must be a URL of at most " + MAX_URL + " characters");
        }
        return url;
    }

    private static boolean flag(Map<String, ?> params, String key) {
        Object value = params.get(key);
        if (value == null) {
            return false;
        }
        if (!(value instanceof Boolean flag)) {
            throw new IllegalArgumentException("kv_transfer_params." + key + " must be true or false");
        }
        return flag;
    }
}
