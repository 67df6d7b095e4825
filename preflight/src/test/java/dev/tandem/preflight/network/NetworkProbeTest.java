package dev.tandem.preflight.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.Loopback;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.network.NetworkHost.Offer;
import dev.tandem.trust.ClusterSecret;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import org.junit.jupiter.api.Test;

class NetworkProbeTest {
    private static final String FIRST = Loopback.next();
    private static final String SECOND = Loopback.next();

    @Test
    void shouldMeasureTheWayToAPeer() throws Exception {
        try (NetworkHost peer = NetworkHost.open(SECOND, List.of(23_801, 23_802), ClusterSecret.none());
                NetworkHost own = NetworkHost.open(FIRST, List.of(), ClusterSecret.none())) {
            var probe = new NetworkProbe(own);
            assertThat(probe.ports(peer.offer()))
                    .containsExactly(Finding.of(Severity.WELL, "ports of " + SECOND, "all 2 answer: 23801-23802"));
            assertThat(probe.clock(peer.offer()))
                    .extracting(Finding::subject)
                    .containsExactly("round trip to " + SECOND, "clock of " + SECOND);
            assertThat(probe.clock(peer.offer()).getLast().severity()).isEqualTo(Severity.WELL);
            assertThat(probe.bandwidth(peer.offer()).isError()).isFalse();
        }
    }

    @Test
    void shouldNameThePortsThatDoNotAnswer() throws Exception {
        try (NetworkHost peer = NetworkHost.open(SECOND, List.of(23_803), ClusterSecret.none());
                NetworkHost own = NetworkHost.open(FIRST, List.of(), ClusterSecret.none())) {
            Offer told = peer.offer();
            var more =
                    new Offer(SECOND, List.of(23_803, 23_804, 23_805), told.token(), told.clockPort(), told.segment());
            assertThat(new NetworkProbe(own).ports(more)).singleElement().satisfies(finding -> {
                assertThat(finding.severity()).isEqualTo(Severity.ERROR);
                assertThat(finding.found()).startsWith("2 of 3 do not answer: 23804-23805 (");
                assertThat(finding.fix()).contains("firewall");
            });
        }
    }

    @Test
    void shouldNotTakeSomebodyElseForThePeer() throws Exception {
        try (NetworkHost peer = NetworkHost.open(SECOND, List.of(23_806), ClusterSecret.none());
                NetworkHost own = NetworkHost.open(FIRST, List.of(), ClusterSecret.none())) {
            Offer told = peer.offer();
            var other = new Offer(SECOND, told.ports(), told.token() + 1, told.clockPort(), told.segment());
            assertThat(new NetworkProbe(own).ports(other).getFirst().found()).contains("something else than the peer");
        }
    }

    @Test
    void shouldSayThatAPeerHasGone() throws Exception {
        Offer gone;
        try (NetworkHost peer = NetworkHost.open(SECOND, List.of(), ClusterSecret.none())) {
            gone = peer.offer();
        }
        try (NetworkHost own = NetworkHost.open(FIRST, List.of(), ClusterSecret.none())) {
            var probe = new NetworkProbe(own);
            assertThat(probe.clock(gone))
                    .singleElement()
                    .satisfies(finding -> assertThat(finding.isError()).isTrue());
            assertThat(probe.bandwidth(gone).found()).startsWith("PEER_GONE");
        }
    }

    /** A thread that waits in accept may take one caller more after its socket was closed. */
    @Test
    void shouldAnswerNobodyOnceTheClockIsClosed() throws Exception {
        InetAddress address = InetAddress.getByName(SECOND);
        for (int round = 0; round < 200; round++) {
            ClockServer clock = ClockServer.open(address, ClusterSecret.none());
            clock.close();
            assertThatThrownBy(() -> new Socket(address, clock.port()).close()).isInstanceOf(ConnectException.class);
        }
    }

    @Test
    void shouldSayWhichPortsAreTaken() throws Exception {
        InetAddress address = InetAddress.getByName(FIRST);
        try (var owner = new ServerSocket(0, 1, address);
                PortListeners listeners = PortListeners.open(address, List.of(owner.getLocalPort(), 23_807), 1)) {
            assertThat(listeners.taken()).containsOnlyKeys(owner.getLocalPort());
            assertThat(listeners.open()).containsExactly(23_807);
        }
    }

    @Test
    void shouldRefuseAnAddressThatIsNotThisMachines() {
        assertThatThrownBy(() -> NetworkHost.open("192.0.2.200", List.of(), ClusterSecret.none()))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("192.0.2.200");
    }

    @Test
    void shouldReadAndWriteRangesOfPorts() {
        assertThat(PortRanges.parse("8004,30000-30002")).containsExactly(8004, 30000, 30001, 30002);
        assertThat(PortRanges.text(List.of(30002, 8004, 30000, 30001))).isEqualTo("8004, 30000-30002");
        for (String bad : List.of("", "0", "70000", "5-4", "1-65535", "a", "1,,2")) {
            assertThatThrownBy(() -> PortRanges.parse(bad)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void shouldAnswerOnlyWhoKnowsTheSecret() throws Exception {
        ClusterSecret secret = ClusterSecret.of("the cluster's secret");
        try (NetworkHost peer = NetworkHost.open(SECOND, List.of(), secret);
                NetworkHost own = NetworkHost.open(FIRST, List.of(), secret);
                NetworkHost stranger = NetworkHost.open(FIRST, List.of(), ClusterSecret.none())) {
            var known = new NetworkProbe(own);
            assertThat(known.clock(peer.offer())).allMatch(finding -> finding.severity() != Severity.ERROR);
            assertThat(known.bandwidth(peer.offer()).severity()).isNotEqualTo(Severity.ERROR);
            var unknown = new NetworkProbe(stranger);
            assertThat(unknown.clock(peer.offer()).getFirst().severity()).isEqualTo(Severity.ERROR);
            assertThat(unknown.bandwidth(peer.offer()).found()).contains("gives no proof of the cluster secret");
        }
    }
}
