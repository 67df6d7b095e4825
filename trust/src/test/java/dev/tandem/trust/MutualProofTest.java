package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.trust.MutualProof.Side;
import org.junit.jupiter.api.Test;

class MutualProofTest {
    private static final String OLD = "the secret of last year";
    private static final String NEW = "the secret of this year";

    @Test
    void shouldAcceptWhoKnowsTheSecret() {
        assertThat(isMutual(OLD, OLD)).isTrue();
    }

    @Test
    void shouldRefuseWhoKnowsAnotherSecretOrNone() {
        assertThat(isMutual(OLD, NEW)).isFalse();
        var listening = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.LISTENING);
        var stranger = new MutualProof(ClusterSecret.none(), Wire.CLUSTER, Side.CONNECTING);
        assertThat(stranger.proof(listening.nonce())).isEmpty();
        assertThat(listening.accepts(stranger.nonce(), stranger.proof(listening.nonce())))
                .isFalse();
    }

    @Test
    void shouldAcceptNobodyWithoutASecret() {
        var listening = new MutualProof(ClusterSecret.none(), Wire.CLUSTER, Side.LISTENING);
        assertThat(listening.accepts(new byte[MutualProof.NONCE_BYTES], new byte[0]))
                .isFalse();
    }

    @Test
    void shouldAcceptBothSecretsWhileOneIsReplaced() {
        assertThat(isMutual(OLD, OLD + "\n" + NEW)).isTrue();
        assertThat(isMutual(OLD + "\n" + NEW, NEW + "\n" + OLD)).isTrue();
        assertThat(isMutual(NEW + "\n" + OLD, NEW)).isTrue();
        assertThat(isMutual(OLD, NEW + "\n" + OLD)).isTrue(); // answered with what it has shown to know
    }

    @Test
    void shouldRefuseAProofOfAnotherConnection() {
        var first = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.LISTENING);
        var second = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.LISTENING);
        var connecting = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.CONNECTING);
        byte[] proof = connecting.proof(first.nonce());
        assertThat(first.accepts(connecting.nonce(), proof)).isTrue();
        assertThat(second.accepts(connecting.nonce(), proof)).isFalse();
    }

    @Test
    void shouldRefuseItsOwnProofSentBack() {
        var listening = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.LISTENING);
        byte[] nonce = new byte[MutualProof.NONCE_BYTES];
        assertThat(listening.accepts(nonce, listening.proof(nonce))).isFalse();
        assertThat(listening.accepts(listening.nonce(), listening.proof(listening.nonce())))
                .isFalse();
    }

    @Test
    void shouldRefuseAProofOfAnotherWire() {
        var listening = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.LISTENING);
        var connecting = new MutualProof(ClusterSecret.of(OLD), Wire.EXPERTS, Side.CONNECTING);
        assertThat(listening.accepts(connecting.nonce(), connecting.proof(listening.nonce())))
                .isFalse();
    }

    @Test
    void shouldRefuseANonceOfAnotherLength() {
        var listening = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.LISTENING);
        var connecting = new MutualProof(ClusterSecret.of(OLD), Wire.CLUSTER, Side.CONNECTING);
        assertThat(listening.accepts(new byte[0], connecting.proof(listening.nonce())))
                .isFalse();
    }

    /** The connecting side proves first, and then the listening one. */
    private static boolean isMutual(String connectingSecret, String listeningSecret) {
        var listening = new MutualProof(ClusterSecret.of(listeningSecret), Wire.CLUSTER, Side.LISTENING);
        var connecting = new MutualProof(ClusterSecret.of(connectingSecret), Wire.CLUSTER, Side.CONNECTING);
        return listening.accepts(connecting.nonce(), connecting.proof(listening.nonce()))
                && connecting.accepts(listening.nonce(), listening.proof(connecting.nonce()));
    }
}
