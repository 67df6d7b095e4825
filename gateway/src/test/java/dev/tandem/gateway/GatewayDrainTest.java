package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeDecoder.Version;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A gateway that is told to end while it has requests: it lets them end, then tells whoever is left, and cuts nobody off. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayDrainTest {
    private static final String ASK = "{\"prompt\":\"x\"}";
    private static final String STREAM = "{\"prompt\":\"x\",\"stream\":true}";
    private static final String EVENT = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";

    private final GatewayFixture gateway = new GatewayFixture();
    private Thread closing;

    @AfterEach
    void close() throws InterruptedException {
        if (closing != null) {
            closing.join();
        }
        gateway.close();
    }

    private GatewayFixture draining(Duration patience) {
        return gateway.withLimits(new GatewayLimits(1, 1 << 20, 100, GatewayFixture.LEGS, patience));
    }

    private void beginClosing() throws InterruptedException {
        closing = Thread.ofVirtual().start(() -> gateway.gateway().close());
        GatewayFixture.await(() -> gateway.get("/health").status() == 503);
    }

    @Test
    void shouldLetRunningAnswersEndAndRefuseNewRequests() throws Exception {
        CountDownLatch refused = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("stream")) {
                peer.startEvents().chunk(EVENT);
                refused.await(20, TimeUnit.SECONDS);
                peer.chunk("data: [DONE]\n\n").endChunks();
            } else {
                refused.await(20, TimeUnit.SECONDS);
                peer.json(200, "{\"choices\":[]}");
            }
        });
        draining(GatewayFixture.DEADLINE)
                .withPrefill(FakeNode.prefill())
                .withDecode(decode)
                .start();
        ClientExchange stream = gateway.open(STREAM);
        GatewayFixture.readUntil(stream, EVENT);
        ClientExchange whole = gateway.open(ASK);
        decode.take();
        decode.take();
        beginClosing();
        assertThat(gateway.get("/health").text()).contains("draining");
        HttpReply late = gateway.post(ASK);
        assertThat(late.status()).isEqualTo(503);
        assertThat(late.header("Retry-After")).contains("1");
        assertThat(late.header("Connection")).contains("close");
        HttpReply lateList = gateway.post("{\"prompt\":[\"x\",\"y\"]}");
        assertThat(lateList.status()).isEqualTo(503);
        refused.countDown();
        assertThat(GatewayFixture.readUntil(stream, "[DONE]\n\n")).doesNotContain("error");
        assertThat(stream.next()).isEmpty();
        assertThat(whole.reply(GatewayFixture.DEADLINE).status()).isEqualTo(200);
    }

    @Test
    void shouldTellTheClientsOfAnswersThatDoNotEndInTime() throws Exception {
        CountDownLatch calledOff = new CountDownLatch(3);
        FakeNode prefill = FakeNode.prefill();
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("stream")) {
                peer.startEvents().chunk(EVENT);
            }
            peer.awaitEnd();
            calledOff.countDown();
        });
        draining(Duration.ofMillis(200)).withPrefill(prefill).withDecode(decode).start();
        ClientExchange stream = gateway.open(STREAM);
        GatewayFixture.readUntil(stream, EVENT);
        ClientExchange listed = gateway.open("{\"prompt\":[\"x\"],\"n\":1,\"stream\":true}");
        GatewayFixture.readUntil(listed, EVENT);
        ClientExchange whole = gateway.open(ASK);
        for (int i = 0; i < 3; i++) {
            decode.take();
        }
        closing = Thread.ofVirtual().start(() -> gateway.gateway().close());
        for (ClientExchange begun : new ClientExchange[] {stream, listed}) {
            assertThat(GatewayFixture.readUntil(begun, "}}\n\n")).contains("\"error\"", "the gateway is stopping");
            assertThat(begun.next()).isEmpty(); // an end, not a cut
        }
        HttpReply reply = whole.reply(GatewayFixture.DEADLINE);
        assertThat(reply.status()).isEqualTo(503);
        assertThat(reply.header("Retry-After")).contains("1");
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
        for (int told = 0; told < 3; ) { // in one call or several
            told += prefill.takeCancel().cancelled().size();
        }
    }

    @Test
    void shouldTakePostsOfDecodeNodesWhileItDrains() throws Exception {
        CountDownLatch mayPost = new CountDownLatch(1);
        FakeDecoder decoder = FakeDecoder.answering(gateway.http, Version.NEWER);
        FakeNode decode = new FakeNode((request, peer) -> {
            mayPost.await(20, TimeUnit.SECONDS);
            decoder.answer(request, peer);
        });
        draining(GatewayFixture.DEADLINE)
                .layerwise()
                .withPrefill(FakeDecoder.prefill())
                .withDecode(decode)
                .start();
        ClientExchange running = gateway.open(ASK);
        decode.take();
        beginClosing();
        mayPost.countDown();
        HttpReply reply = running.reply(GatewayFixture.DEADLINE);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
    }

    @Test
    void shouldCloseAtOnceWhenNothingIsUnderWay() {
        draining(Duration.ofDays(1)) // which the limit of the test would not outlive
                .withPrefill(FakeNode.prefill())
                .withDecode(FakeNode.decode())
                .start();
        gateway.gateway().close();
    }
}
