package dev.tandem.engine.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HandoffParamsTest {
    @Test
    void shouldTakeTheProxysPrefillHopForALoan() {
        var params = new LinkedHashMap<String, Object>();
        params.put("do_remote_decode", true);
        params.put("do_remote_prefill", false);
        for (String key : List.of("remote_engine_id", "remote_block_ids", "remote_host", "remote_port")) {
            params.put(key, null);
        }
        params.put("aborted_request", List.of());
        assertThat(HandoffParams.parse(params)).isEqualTo(new HandoffRole.Lend());
    }

    @Test
    void shouldTakeATicketForAFetch() {
        assertThat(HandoffParams.parse(Map.of(
                        "do_remote_prefill",
                        true,
                        "do_remote_decode",
                        false,
                        "remote_block_ids",
                        List.of(1),
                        "remote_engine_id",
                        "0",
                        "remote_host",
                        "h",
                        "remote_port",
                        1)))
                .isInstanceOfSatisfying(
                        HandoffRole.Fetch.class,
                        fetch -> assertThat(fetch.ticket().blockIds()).containsExactly(1));
    }

    @Test
    void shouldTakeNeitherForBothHere() {
        assertThat(HandoffParams.parse(Map.of())).isEqualTo(new HandoffRole.None());
        assertThat(HandoffParams.parse(Map.of("do_remote_decode", false, "x", 1)))
                .isEqualTo(new HandoffRole.None());
    }

    @Test
    void shouldRefuseContradictionsAndRubbish() {
        assertRefused(Map.of("do_remote_decode", true, "do_remote_prefill", true), "both true");
        assertRefused(Map.of("do_remote_decode", "true"), "do_remote_decode must be true or false");
        assertRefused(Map.of("do_remote_prefill", 1), "do_remote_prefill must be true or false");
        assertRefused(Map.of("do_remote_prefill", true), "remote_engine_id is missing");
        assertRefused(Map.of("do_remote_prefill", true, "metaserver", 7), "metaserver must be a URL");
        assertRefused(
                Map.of("do_remote_decode", true, "remote_block_ids", List.of(1), "remote_engine_id", "1"),
                "remote_host is missing");
    }

    @Test
    void shouldReadBothPartsOfALayerwisePush() {
        assertThat(HandoffParams.parse(
                        Map.of("do_remote_prefill", true, "metaserver", "http://gateway:8000/v1/metaserver")))
                .isEqualTo(new HandoffRole.Receive("http://gateway:8000/v1/metaserver"));
        Map<String, Object> invitation = Map.of(
                "do_remote_decode",
                true,
                "do_remote_prefill",
                false,
                "request_id",
                "cmpl-7-0",
                "token_ids",
                List.of(),
                "remote_block_ids",
                List.of(4, 5),
                "remote_engine_id",
                "2",
                "remote_host",
                "127.0.1.3",
                "remote_port",
                30_200,
                "remote_tp_size",
                "1");
        assertThat(HandoffParams.parse(invitation)).isInstanceOfSatisfying(HandoffRole.Push.class, push -> {
            assertThat(push.target().blockIds()).containsExactly(4, 5);
            assertThat(push.target().tpSize()).hasValue(1);
        });
    }

    private static void assertRefused(Map<String, Object> params, String message) {
        assertThatThrownBy(() -> HandoffParams.parse(params))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }
}
