package dev.tandem.engine.cluster.expert;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.ListeningGreeting;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.channel.FrameListener;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Greets as an owner of experts does, takes rows and never answers. */
final class SilentOwner implements AutoCloseable {
    private final FrameListener listener;
    private final CountDownLatch calls = new CountDownLatch(1);

    SilentOwner(JoinTerms terms) throws IOException {
        this.listener = FrameListener.start(
                new InetSocketAddress("127.0.0.1", 0), ExpertFixture.LIMITS, 4, channel -> new Session(channel, terms));
    }

    int port() {
        return listener.port();
    }

    void awaitCall() throws InterruptedException {
        assertThat(calls.await(30, TimeUnit.SECONDS)).as("no call came").isTrue();
    }

    void die() {
        listener.close();
    }

    @Override
    public void close() {
        die();
    }

    private final class Session implements FrameChannel.FrameHandler {
        private final ListeningGreeting greeting;
        private boolean isGreeted;

        Session(FrameChannel channel, JoinTerms terms) {
            this.greeting =
                    new ListeningGreeting(channel, terms, ClusterSecret.of("the cluster's secret"), Wire.EXPERTS);
        }

        @Override
        public void received(FrameKind kind, ByteBuffer body) throws FrameException {
            if (isGreeted) {
                calls.countDown();
            } else {
                isGreeted = greeting.answer(kind, body).isPresent();
            }
        }

        @Override
        public void closed(String cause) {
            // nothing to free
        }
    }
}
