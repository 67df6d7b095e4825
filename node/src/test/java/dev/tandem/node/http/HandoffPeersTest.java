package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.api.openai.ApiError;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HandoffPeersTest {
    private static final ClusterSecret SECRET = ClusterSecret.of("the cluster's secret");

    private static HandoffPeers peers(PeerTrust trust) {
        return new HandoffPeers(List.of(), trust, Set.of("192.0.2.7", "127.0.0.1"), Set.of(8100));
    }

    private static HandoffTicket ticket(String host, int port) {
        return new HandoffTicket("0", host, port, new long[] {7, 8}, 5, Map.of(HandoffTicket.REQUEST_ID, "cmpl-1-0"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"192.0.2.8", "127.0.0.2", "2001:db8::1"})
    void shouldTakeAnyPeerWithoutASecret(String host) {
        assertThatCode(() -> peers(PeerTrust.everybody()).require(ticket(host, 30_000)))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource({
        "169.254.169.254,80,no peer can have this address",
        "0.0.0.0,30000,no peer can have this address",
        "224.0.0.1,30000,no peer can have this address",
        "fe80::1,30000,no peer can have this address",
        "127.0.0.1,8100,port 8100 there is this node's own",
        "192.0.2.7,8100,port 8100 there is this node's own",
        "no-such-host.invalid,30000,no such host"
    })
    void shouldNeverTurnToWhereNoPeerIs(String host, int port, String why) {
        assertThatThrownBy(() -> peers(PeerTrust.everybody()).require(ticket(host, port)))
                .isInstanceOf(ApiError.class)
                .hasMessageContaining("kv_transfer_params.remote_host " + host + " is refused: " + why);
    }

    @Test
    @Timeout(60)
    void shouldLookUpOnlyFewNamesAtATimeThatClientsGive() throws InterruptedException {
        int names = 2 * HandoffPeers.MAX_LOOKUPS;
        var refused = new CountDownLatch(names - HandoffPeers.MAX_LOOKUPS);
        HandoffPeers peers = peers(PeerTrust.everybody());
        var callers = new ArrayList<Thread>();
        for (int i = 0; i < names; i++) {
            HandoffTicket ticket = ticket("host-" + i + SlowNames.SUFFIX, 30_000);
            callers.add(Thread.ofVirtual().start(() -> {
                ApiError refusal = catchThrowableOfType(ApiError.class, () -> peers.require(ticket));
                if (refusal.status() == 503) {
                    refused.countDown();
                }
            }));
        }
        refused.await();
        assertThat(SlowNames.ASKED).hasValueLessThanOrEqualTo(HandoffPeers.LOOKUP_THREADS);
        SlowNames.MAY_ANSWER.countDown();
        for (Thread caller : callers) {
            caller.join();
        }
    }

    @Test
    void shouldKeepTheAddressThatANameHadWhenItWasChecked() {
        HandoffTicket checked = peers(PeerTrust.everybody()).require(ticket("localhost", 30_000));
        assertThat(checked.host()).isIn("127.0.0.1", "0:0:0:0:0:0:0:1");
        HandoffTicket sealed = ticket("localhost", 30_000).sealedBy(SECRET);
        assertThat(peers(new PeerTrust(SECRET, AddressList.parse("")))
                        .require(sealed)
                        .host())
                .as("its seal covers the name")
                .isEqualTo("localhost");
    }

    @Test
    void shouldTakeAnotherProcessOfThisMachineForAPeer() {
        assertThatCode(() -> peers(PeerTrust.everybody()).require(ticket("127.0.0.9", 8100)))
                .as("its port, but not its address")
                .doesNotThrowAnyException();
        var everywhere = new HandoffPeers(List.of(), PeerTrust.everybody(), Set.of("0.0.0.0"), Set.of(8100));
        assertThatThrownBy(() -> everywhere.require(ticket("127.0.0.9", 8100))).isInstanceOf(ApiError.class);
    }

    @Test
    void shouldTakeWhatIsSealedAndNothingElseWithASecret() {
        HandoffPeers strict = peers(new PeerTrust(SECRET, AddressList.parse("192.0.2.20")));
        HandoffTicket sealed = ticket("192.0.2.8", 30_000).sealedBy(SECRET);
        assertThatCode(() -> strict.require(roundTrip(sealed))).doesNotThrowAnyException();
        assertThatCode(() -> strict.require(ticket("192.0.2.20", 30_000))).doesNotThrowAnyException();
        for (HandoffTicket forged : List.of(
                ticket("192.0.2.8", 30_000),
                new HandoffTicket("0", "192.0.2.9", 30_000, sealed.blockIds(), 5, sealed.further()),
                new HandoffTicket("0", "192.0.2.8", 30_001, sealed.blockIds(), 5, sealed.further()),
                new HandoffTicket("0", "192.0.2.8", 30_000, new long[] {7, 9}, 5, sealed.further()),
                sealed.with(HandoffTicket.REQUEST_ID, "cmpl-2-0"),
                ticket("192.0.2.8", 30_000).sealedBy(ClusterSecret.of("a stranger's guess")))) {
            assertThatThrownBy(() -> strict.require(forged))
                    .isInstanceOf(ApiError.class)
                    .hasMessageContaining("the ticket has no seal of the cluster secret");
        }
    }

    @Test
    void shouldTakeASealOfEitherSecretWhileOneIsReplaced() {
        ClusterSecret both = ClusterSecret.of("the secret of this year\nthe secret of last year");
        HandoffPeers peers = peers(new PeerTrust(both, AddressList.empty()));
        HandoffTicket sealed = ticket("192.0.2.8", 30_000).sealedBy(ClusterSecret.of("the secret of last year"));
        assertThatCode(() -> peers.require(sealed)).doesNotThrowAnyException();
    }

    private static HandoffTicket roundTrip(HandoffTicket ticket) {
        return HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
    }
}
