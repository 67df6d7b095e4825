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
        assertRefused(Map.of("do_remote_prefill", true, "metaserver", "http://x"), "layerwise");
    }

    private static void assertRefused(Map<String, Object> params, String message) {
        assertThatThrownBy(() -> HandoffParams.parse(params))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }
}
