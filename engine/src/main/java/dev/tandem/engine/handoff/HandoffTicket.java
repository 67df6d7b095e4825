package dev.tandem.engine.handoff;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the KV of a prompt lies: {@code kv_transfer_params} as vllm-ascend's MooncakeConnector v0.11.0rc1 writes them.
 *
 * @param engineId {@code remote_engine_id}, equal to the letter to what the peer's metadata says
 * @param host {@code remote_host} of the side channel
 * @param port {@code remote_port} of tensor rank 0's side channel
 * @param blockIds {@code remote_block_ids}: virtual ids, fresh per lease
 * @param lastTokenId {@code last_token_id}: the token that the prefill node sampled; the decode node samples it again itself
 * @param further keys that we do not know, kept
 */
public record HandoffTicket(
        String engineId, String host, int port, List<Integer> blockIds, int lastTokenId, Map<String, Object> further) {
    public HandoffTicket {
        blockIds = List.copyOf(blockIds);
        further = Map.copyOf(further);
    }

    /** The JSON object of {@code kv_transfer_params}, as plain values. */
    public Map<String, Object> toParams() {
        var params = new LinkedHashMap<String, Object>(further);
        params.put("do_remote_prefill", true);
        params.put("do_remote_decode", false);
        params.put("remote_block_ids", blockIds);
        params.put("remote_engine_id", engineId);
        params.put("remote_host", host);
        params.put("remote_port", port);
        params.put("last_token_id", lastTokenId);
        return params;
    }
}
