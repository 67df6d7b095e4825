package dev.tandem.engine.cluster;

import static dev.tandem.engine.cluster.ClusterFixture.LIMITS;
import static dev.tandem.engine.cluster.ClusterFixture.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.FakeReplica.Taken;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.channel.FrameListener;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a node makes of its head's frames. */
class ReplicaServerTest {
    private static final int STREAM = 7;
    private static final int MANY_TOKENS = 1_500; // more than a reader may be behind

    private final BlockingQueue<FrameKind> heard = new LinkedBlockingQueue<>(); // by the head
    private final FakeReplica replica = new FakeReplica();
    private final FrameListener head;
    private final FrameChannel channel;
    private final ReplicaServer server;

    ReplicaServerTest() throws IOException {
        head = FrameListener.start(ClusterFixture.loopback(0), LIMITS, 1, opened -> handler());
        channel = FrameChannel.connect(ClusterFixture.loopback(head.port()), PATIENCE, LIMITS, opened -> handler());
        server = new ReplicaServer(channel, new TreeMap<>(Map.of(1, replica)), new Counters<>(ClusterCounter.class));
    }

    private FrameChannel.FrameHandler handler() {
        return new FrameChannel.FrameHandler() {
            @Override
            public void received(FrameKind kind, ByteBuffer body) {
                heard.add(kind);
            }

            @Override
            public void closed(String cause) {}
        };
    }

    @AfterEach
    void close() {
        channel.close();
        head.close();
    }

    private Taken submit() throws FrameException, InterruptedException {
        var body = new BodyWriter()
                .integer(STREAM)
                .integer(1)
                .with(to -> RequestCodec.write(to, ClusterFixture.request("r", 5_000), Wire.CLUSTER.version()));
        server.received(FrameKind.SUBMIT, ByteBuffer.wrap(body.toBytes()));
        return replica.next();
    }

    private void tell(boolean isBehind) throws FrameException {
        byte[] body = new BodyWriter().integer(STREAM).flag(isBehind).toBytes();
        server.received(FrameKind.READER, ByteBuffer.wrap(body));
    }

    private void awaitHeard(FrameKind last) throws InterruptedException {
        FrameKind kind;
        do {
            kind = heard.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            assertThat(kind).as("nothing came").isNotNull();
        } while (kind != last);
    }

    @Test
    void shouldLetTheEngineKnowThatTheHeadsReaderIsBehind() throws Exception {
        Taken taken = submit();
        tell(true);
        tell(true);
        for (int i = 0; i < MANY_TOKENS; i++) {
            taken.token(i);
        }
        assertThat(taken.stream().isBehind()).isTrue();

        tell(false);
        ClusterFixture.await(() -> !taken.stream().isBehind());
        taken.finish(FinishReason.LENGTH);
        awaitHeard(FrameKind.FINISHED);
    }

    @Test
    void shouldEndAStreamWhoseReaderWasBehindWhenItCloses() throws Exception {
        Taken taken = submit();
        tell(true);
        for (int i = 0; i < MANY_TOKENS; i++) {
            taken.token(i);
        }
        byte[] body =
                new BodyWriter().integer(STREAM).text(FinishReason.ABORT.name()).toBytes();
        server.received(FrameKind.CLOSE, ByteBuffer.wrap(body));

        awaitHeard(FrameKind.FINISHED);
        tell(true); // it has ended: nobody is held
    }

    @Test
    void shouldEndAStreamWhoseReaderWasBehindWhenTheHeadGoes() throws Exception {
        Taken taken = submit();
        tell(true);
        for (int i = 0; i < MANY_TOKENS; i++) {
            taken.token(i);
        }

        assertThat(server.abortAll()).isEqualTo(1);
        awaitHeard(FrameKind.FINISHED);
    }
}
