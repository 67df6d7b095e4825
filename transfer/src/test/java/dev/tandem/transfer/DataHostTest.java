package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.wire.SegmentDescriptor;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where a peer may say that its data port is: it could name anybody's service. */
@Timeout(60)
class DataHostTest {
    private final Arena arena = Arena.ofShared();
    private final FakePeer peer = new FakePeer(2, false, FakePeer.Link::serveAll);

    @AfterEach
    void close() throws IOException {
        peer.close();
        arena.close();
    }

    /** As a peer of Mooncake 0.3.13 names it, and as an older one does. */
    private void tell(String dataHost, String nameHost) {
        peer.telling = own -> {
            SegmentDescriptor.Tcp tcp = own.tcp();
            return new SegmentDescriptor(
                    nameHost + own.name().substring(own.name().indexOf(':')),
                    own.protocols(),
                    new SegmentDescriptor.Tcp(tcp.dataPort(), dataHost, tcp.version(), tcp.offersCrc32c()),
                    own.buffers());
        };
    }

    /** Bytes read by an engine that lists these foreign peers. */
    private long read(String foreign) {
        var trust = new PeerTrust(ClusterSecret.none(), AddressList.parse(foreign));
        try (TransferEngine engine =
                TransferEngine.start(TransferConfig.of("127.0.0.1").with(trust))) {
            var spans = new SpanBatch(arena.allocate(10), new long[] {0, 4096, 10});
            return engine.read(peer.name(), spans, Duration.ofSeconds(40))
                    .done()
                    .join()
                    .bytes();
        }
    }

    private static TransferException failure(ThrowingCallable call) {
        return (TransferException)
                catchThrowableOfType(CompletionException.class, call).getCause();
    }

    @ParameterizedTest
    @CsvSource({"127.0.0.2,127.0.0.1", "'',127.0.0.2", "169.254.169.254,127.0.0.1", "::1,127.0.0.1"})
    void shouldNotTurnToAnotherHost(String dataHost, String nameHost) {
        tell(dataHost, nameHost);

        TransferException failure = failure(() -> read(""));

        assertThat(failure.kind()).isEqualTo(Kind.REJECTED);
        assertThat(failure)
                .hasMessageContaining(
                        "names " + (dataHost.isEmpty() ? nameHost : dataHost) + " as host of its data port")
                .hasMessageContaining("127.0.0.1")
                .hasMessageContaining(PeerTrust.FOREIGN_PEERS);
        assertThat(peer.connectionCount).hasValue(0);
    }

    @ParameterizedTest
    @CsvSource({"localhost,127.0.0.1", "'',localhost", "127.0.0.1,a.name.that.nobody.knows"})
    void shouldTurnToThePeersOwnHostByWhateverNameItTells(String dataHost, String nameHost) {
        tell(dataHost, nameHost);

        assertThat(read("")).isEqualTo(10);
    }

    @Test
    void shouldTurnToAnotherHostOfTheList() {
        tell("127.0.0.2", "127.0.0.1");

        assertThat(failure(() -> read("127.0.0.2")).kind()).isEqualTo(Kind.PEER_GONE); // nobody listens there
    }
}
