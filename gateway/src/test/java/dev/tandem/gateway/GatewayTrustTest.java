package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeDecoder.Version;
import dev.tandem.gateway.FakeNode.Request;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.PostProof;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A metaserver with a cluster secret, among decode nodes that know it and others. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayTrustTest {
    private static final String ASK = "{\"prompt\":\"x\",\"max_tokens\":9}";
    private static final ClusterSecret SECRET = ClusterSecret.of("the cluster's secret");
    private static final PeerTrust STRICT = new PeerTrust(SECRET, AddressList.empty());

    private final GatewayFixture gateway = new GatewayFixture().layerwise();
    private final FakeNode prefill = FakeDecoder.prefill();
    private final FakeDecoder decoder = FakeDecoder.answering(gateway.http, Version.NEWER);
    private final FakeNode decode = new FakeNode(decoder);

    @AfterEach
    void close() throws InterruptedException {
        GatewayFixture.await(gateway::isIdle);
        gateway.close();
    }

    private HttpReply postOfDecode(PeerTrust trust) {
        gateway.trusting(trust).withPrefill(prefill).withDecode(decode).start();
        gateway.post(ASK);
        return decoder.replies.element();
    }

    @Test
    void shouldServeADecodeNodeThatKnowsTheSecretAndProveItselfToIt() {
        decoder.headers = body -> new PostProof(SECRET, body).headers();
        HttpReply reply = postOfDecode(STRICT);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("X-Tandem-Proof")).isPresent();
        assertThat(reply.header("X-Tandem-Version")).contains("2");
    }

    @Test
    void shouldSealItsAddressForDecodeNodes() throws Exception {
        decoder.headers = body -> new PostProof(SECRET, body).headers();
        postOfDecode(STRICT);
        Request request = decode.take();
        byte[] url = FakeDecoder.params(request).get("metaserver").stringValue().getBytes(StandardCharsets.UTF_8);
        byte[] seal = HexFormat.of()
                .parseHex(FakeDecoder.params(request).get("tandem_seal").stringValue());
        assertThat(SECRET.isSealed("metaserver", url, seal)).isTrue();
    }

    @Test
    void shouldRefuseADecodeNodeThatGivesNoProof() {
        HttpReply reply = postOfDecode(STRICT);
        assertThat(reply.status()).isEqualTo(401);
        assertThat(reply.text())
                .contains(
                        "gives no proof of the cluster secret on the metaserver",
                        "the peer speaks 1, this side 2 with a cluster secret");
    }

    @Test
    void shouldRefuseADecodeNodeWithAnotherSecret() {
        decoder.headers = body -> new PostProof(ClusterSecret.of("a stranger's guess"), body).headers();
        HttpReply reply = postOfDecode(STRICT);
        assertThat(reply.status()).isEqualTo(401);
        assertThat(reply.text()).contains("knows another cluster secret on the metaserver");
    }

    @Test
    void shouldAcceptBothSecretsWhileOneIsReplaced() {
        decoder.headers = body -> new PostProof(SECRET, body).headers();
        ClusterSecret both = ClusterSecret.of("the secret of this year\nthe cluster's secret");
        assertThat(postOfDecode(new PeerTrust(both, AddressList.empty())).status())
                .isEqualTo(200);
    }

    @Test
    void shouldServeForeignDecodeNodesOfTheList() {
        assertThat(postOfDecode(new PeerTrust(SECRET, AddressList.parse("127.0.0.0/8")))
                        .status())
                .isEqualTo(200);
    }

    @Test
    void shouldRefuseAProofThatWasUsedBefore() throws Exception {
        FakeDecoder twice = new FakeDecoder(gateway.http, Version.NEWER, (request, status, peer) -> {
            byte[] body = decoder.posts.element().getBytes(StandardCharsets.UTF_8);
            HttpCall again = HttpCall.postJson(gateway.address(), "/v1/metaserver", body);
            for (Map.Entry<String, String> header : decoder.headers.apply(body).entrySet()) {
                again = again.withHeader(header.getKey(), header.getValue());
            }
            decoder.replies.add(gateway.http.send(again, GatewayFixture.DEADLINE));
            peer.json(200, "{\"choices\":[{\"text\":\"ok\"}]}");
        });
        twice.headers = body -> {
            Map<String, String> recorded = new PostProof(SECRET, body).headers();
            decoder.posts.add(new String(body, StandardCharsets.UTF_8));
            decoder.headers = same -> recorded;
            return recorded;
        };
        gateway.trusting(STRICT)
                .withPrefill(prefill)
                .withDecode(new FakeNode(twice))
                .start();
        gateway.post(ASK);
        assertThat(twice.replies.element().status()).isEqualTo(200);
        HttpReply replayed = decoder.replies.element();
        assertThat(replayed.status()).isEqualTo(401);
        assertThat(replayed.text()).contains("the proof was used before");
    }
}
