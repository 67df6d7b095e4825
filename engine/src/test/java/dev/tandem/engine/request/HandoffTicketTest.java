package dev.tandem.engine.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HandoffTicketTest {
    @Test
    void shouldReadWhatVllmAscendWrites() {
        HandoffTicket ticket = HandoffTicket.fromParams(params());
        assertThat(ticket.engineId()).isEqualTo("0");
        assertThat(ticket.host()).isEqualTo("127.0.0.2");
        assertThat(ticket.port()).isEqualTo(30_000);
        assertThat(ticket.blockIds()).containsExactly(7, 8, 12);
        assertThat(ticket.lastTokenId()).isEqualTo(42);
        assertThat(ticket.further()).isEmpty();
        assertThat(ticket.toParams()).isEqualTo(params());
    }

    @Test
    void shouldKeepUnknownKeysAndNulls() {
        Map<String, Object> params = params();
        params.put("remote_ptp_size", 4);
        params.put("nested", Map.of("a", List.of(1, 2)));
        params.put("empty", null);
        HandoffTicket ticket = HandoffTicket.fromParams(params);
        assertThat(ticket.further()).containsOnlyKeys("remote_ptp_size", "nested", "empty");
        assertThat(ticket.toParams()).isEqualTo(params);
    }

    @Test
    void shouldReadBlockIdsOfOneGroup() {
        assertThat(HandoffTicket.fromParams(with("remote_block_ids", List.of(List.of(3, 4))))
                        .blockIds())
                .containsExactly(3, 4);
    }

    @Test
    void shouldCarryBlockIdsOfFortyEightBits() {
        List<Object> ids = List.of(7, (1L << 48) - 1, 1L << 31);
        HandoffTicket ticket = HandoffTicket.fromParams(with("remote_block_ids", ids));
        assertThat(ticket.blockIds()).containsExactly(7, (1L << 48) - 1, 1L << 31);
        assertThat(ticket.toParams()).containsEntry("remote_block_ids", ids);
        assertThat(HandoffTicket.fromParams(ticket.toParams()))
                .isEqualTo(ticket)
                .hasSameHashCodeAs(ticket);
    }

    @Test
    void shouldReadIntegersOfAnyWidth() {
        assertThat(HandoffTicket.fromParams(with("remote_port", 30_001L)).port())
                .isEqualTo(30_001);
        assertThat(HandoffTicket.fromParams(with("remote_port", BigInteger.valueOf(5)))
                        .port())
                .isEqualTo(5);
    }

    @Test
    void shouldDoWithoutTheLastToken() {
        Map<String, Object> params = params();
        params.remove("last_token_id");
        assertThat(HandoffTicket.fromParams(params).lastTokenId()).isEqualTo(-1);
        assertThat(HandoffTicket.fromParams(params).toParams()).doesNotContainKey("last_token_id");
    }

    @Test
    void shouldNameWhatIsMissing() {
        for (String key : List.of("remote_engine_id", "remote_host", "remote_port", "remote_block_ids")) {
            Map<String, Object> params = params();
            params.remove(key);
            assertThatThrownBy(() -> HandoffTicket.fromParams(params))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(key + " is missing");
        }
    }

    @Test
    void shouldNameWhatIsWrong() {
        assertWrong("remote_engine_id", 5, "is 5, but must be a string");
        assertWrong("remote_engine_id", "", "0 characters");
        assertWrong("remote_engine_id", "x".repeat(257), "257 characters");
        assertWrong("remote_host", "10.0.0.1:99/../x", "a host name");
        assertWrong("remote_host", "a b", "a host name");
        assertWrong("remote_host", "*;tcp", "a host name");
        assertWrong("remote_port", 0, "from 1 to 65535");
        assertWrong("remote_port", 65_536, "from 1 to 65535");
        assertWrong("remote_port", Long.MAX_VALUE, "from 1 to 65535");
        assertWrong("remote_port", new BigInteger("99999999999999999999999"), "from 1 to 65535");
        assertWrong("remote_port", 30_000.0, "from 1 to 65535");
        assertWrong("remote_port", "30000", "from 1 to 65535");
        assertWrong("remote_port", true, "is true");
        assertWrong("remote_block_ids", "7", "a list of block ids");
        assertWrong("remote_block_ids", List.of(), "has 0 blocks");
        assertWrong("remote_block_ids", List.of(List.of()), "has 0 blocks");
        assertWrong("remote_block_ids", List.of(List.of(1), List.of(2)), "2 KV groups");
        assertWrong("remote_block_ids", List.of(1, -1), "remote_block_ids[1] is -1");
        assertWrong(
                "remote_block_ids",
                List.of(1, 1L << 53),
                "remote_block_ids[1] is 9007199254740992, but must be an integer from 0 to 9007199254740991");
        assertWrong("remote_block_ids", List.of(1, "2"), "remote_block_ids[1] is 2");
        assertWrong("remote_block_ids", Collections.singletonList(null), "remote_block_ids[0] is missing");
        assertWrong(
                "remote_block_ids",
                new ArrayList<>(Collections.nCopies(HandoffTicket.MAX_BLOCKS + 1, 1)),
                "1048577 blocks");
        assertWrong("last_token_id", -1, "last_token_id is -1");
        assertWrong("remote_request_id", 7, "remote_request_id is 7");
        assertWrong("tandem_incarnation", List.of(), "tandem_incarnation is a list");
    }

    @Test
    void shouldRefuseAbsurdlyManyKeys() {
        Map<String, Object> params = params();
        for (int key = 0; key < 200; key++) {
            params.put("k" + key, key);
        }
        assertThatThrownBy(() -> HandoffTicket.fromParams(params)).hasMessageContaining("keys");
    }

    private static void assertWrong(String key, Object value, String message) {
        assertThatThrownBy(() -> HandoffTicket.fromParams(with(key, value)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("kv_transfer_params." + key)
                .hasMessageContaining(message);
    }

    private static Map<String, Object> with(String key, Object value) {
        Map<String, Object> params = params();
        params.put(key, value);
        return params;
    }

    private static Map<String, Object> params() {
        var params = new LinkedHashMap<String, Object>();
        params.put("do_remote_prefill", true);
        params.put("do_remote_decode", false);
        params.put("remote_block_ids", List.of(7, 8, 12));
        params.put("remote_engine_id", "0");
        params.put("remote_host", "127.0.0.2");
        params.put("remote_port", 30_000);
        params.put("last_token_id", 42);
        return params;
    }
}
