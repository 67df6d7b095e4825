package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeNode.Peer;
import dev.tandem.gateway.FakeNode.Request;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Function;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** What a decode node does when it is told a metaserver: it posts its blocks there as vllm-ascend does, then answers. */
final class FakeDecoder implements FakeNode.Script {
    /** Versions of vllm-ascend that differ in what they post. */
    enum Version {
        /** v0.11.0rc1: a flat list of blocks; the metaserver's answer is not looked at. */
        RC1,
        /** From v0.18 on: lists of blocks per group, sizes, the id without what vLLM has put behind it. */
        NEWER,
        /** As NEWER, but a node that has forgotten to take vLLM's suffix off. */
        NEWER_WITH_SUFFIX
    }

    /** What it does once the metaserver has answered. */
    interface Afterwards {
        void go(Request request, int metaserverStatus, Peer peer) throws Exception;
    }

    private final HttpClient http;
    private final Version version;
    private final Afterwards afterwards;
    /** What was posted and answered, in order. */
    final Queue<String> posts = new ConcurrentLinkedQueue<>();

    final Queue<HttpReply> replies = new ConcurrentLinkedQueue<>();

    /** Headers of its posts; set before the first. */
    volatile Function<byte[], Map<String, String>> headers = body -> Map.of();

    FakeDecoder(HttpClient http, Version version, Afterwards afterwards) {
        this.http = http;
        this.version = version;
        this.afterwards = afterwards;
    }

    /** Answers when the prompt has come; recomputes it when it has been told that it will not. */
    static FakeDecoder answering(HttpClient http, Version version) {
        return new FakeDecoder(
                http, version, (request, status, peer) -> peer.json(200, "{\"choices\":[{\"text\":\"ok\"}]}"));
    }

    @Override
    public void answer(Request request, Peer peer) throws Exception {
        JsonNode params = request.json().path("kv_transfer_params");
        int status = 0;
        if (params.has("metaserver")) {
            HttpReply reply = post(request).reply(GatewayFixture.DEADLINE);
            replies.add(reply);
            status = reply.status();
        }
        afterwards.go(request, status, peer);
    }

    /** Posts the blocks for a request. */
    ClientExchange post(Request request) {
        return post(request, body(request, 7));
    }

    ClientExchange post(Request request, String body) {
        posts.add(body);
        URI metaserver = URI.create(
                request.json().get("kv_transfer_params").get("metaserver").stringValue());
        HttpAddress address = new HttpAddress(metaserver.getHost(), metaserver.getPort());
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        HttpCall call = HttpCall.postJson(address, metaserver.getPath(), bytes);
        for (var header : headers.apply(bytes).entrySet()) {
            call = call.withHeader(header.getKey(), header.getValue());
        }
        return http.start(call);
    }

    String body(Request request, int firstBlock) {
        String id = request.headers().get("x-request-id");
        String sequence = request.path().contains("chat") ? "chatcmpl-" + id : "cmpl-" + id + "-0";
        String common = "\"do_remote_prefill\": false, \"do_remote_decode\": true, \"remote_engine_id\": \"2_dp31\","
                + " \"remote_host\": \"192.0.0.3\", \"remote_port\": 30231, \"unknown\": {\"é\": 1.50}";
        return switch (version) {
            case RC1 ->
                "{\"token_ids\": [], \"request_id\": \"" + sequence + "\", " + common + ", \"remote_block_ids\": ["
                        + firstBlock + ", 8]}";
            case NEWER, NEWER_WITH_SUFFIX ->
                "{\"request_id\": \"" + sequence
                        + (version == Version.NEWER_WITH_SUFFIX ? "-0a1b2c3d" : "") + "\", " + common
                        + ", \"remote_block_ids\": [[" + firstBlock
                        + ", 8]], \"remote_block_size\": [128], \"remote_tp_size\": 1,"
                        + " \"remote_pcp_size\": 1, \"remote_dcp_size\": 1, \"remote_cached_tokens\": 0}";
        };
    }

    /** A prefill node of the same kind: it answers when it has written everything. */
    static FakeNode prefill() {
        return new FakeNode(
                (request, peer) -> peer.json(200, "{\"choices\":[{\"text\":\"x\"}],\"kv_transfer_params\":null}"));
    }

    static ObjectNode params(Request request) {
        return (ObjectNode) request.json().get("kv_transfer_params");
    }
}
