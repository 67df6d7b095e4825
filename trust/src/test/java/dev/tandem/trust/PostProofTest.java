package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PostProofTest {
    private static final ClusterSecret SECRET = ClusterSecret.of("the cluster's secret");
    private static final byte[] BODY = "{\"request_id\":\"fresh\"}".getBytes(StandardCharsets.UTF_8);

    @Test
    void shouldConvinceBothSides() {
        var post = new PostProof(SECRET, BODY);
        PostProof.Verdict verdict = verdict(SECRET, BODY, post.headers());
        assertThat(verdict.objection()).isEmpty();
        assertThat(post.objection(name -> Optional.ofNullable(verdict.headers().get(name)), "gateway"))
                .isEmpty();
    }

    @Test
    void shouldRefuseOtherBodiesAndOtherSecrets() {
        Map<String, String> headers = new PostProof(SECRET, BODY).headers();
        byte[] other = "{\"request_id\":\"other\"}".getBytes(StandardCharsets.UTF_8);
        assertThat(verdict(SECRET, other, headers).objection().orElseThrow()).contains("another cluster secret");
        assertThat(verdict(ClusterSecret.of("a stranger's guess"), BODY, headers)
                        .objection()
                        .orElseThrow())
                .contains("peer decode knows another cluster secret on the metaserver");
    }

    @Test
    void shouldNameBothVersionsToAPeerThatGivesNoProof() {
        assertThat(verdict(SECRET, BODY, Map.of()).objection().orElseThrow())
                .contains("peer decode gives no proof", "the peer speaks 1, this side 2 with a cluster secret");
        Map<String, String> withoutSecret = new PostProof(ClusterSecret.none(), BODY).headers();
        assertThat(verdict(SECRET, BODY, withoutSecret).objection().orElseThrow())
                .contains("gives no proof")
                .doesNotContain("speaks");
    }

    @Test
    void shouldNotBelieveAnAnswerWithoutAProof() {
        var post = new PostProof(SECRET, BODY);
        assertThat(post.objection(name -> Optional.empty(), "gateway").orElseThrow())
                .contains("peer gateway gives no proof");
        Map<String, String> echoed = post.headers();
        assertThat(post.objection(name -> Optional.ofNullable(echoed.get(name)), "gateway"))
                .isPresent();
    }

    private static PostProof.Verdict verdict(ClusterSecret secret, byte[] body, Map<String, String> headers) {
        return PostProof.verdict(secret, body, name -> Optional.ofNullable(headers.get(name)), "decode");
    }
}
