package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.CompletionRequest;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.trust.PeerTrust;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class HandoffAdmissionTest {
    private static final String TICKET =
            "\"remote_block_ids\":[1],\"remote_engine_id\":\"0\",\"remote_host\":\"127.0.0.1\","
                    + "\"remote_port\":30000";

    @Test
    void shouldRefuseAPeerOfAnotherSizeThanTheExtraConfigSays() {
        assertThatThrownBy(() -> ask("kv_consumer", "\"do_remote_prefill\":true,\"remote_tp_size\":4," + TICKET))
                .isInstanceOf(ApiError.class)
                .hasMessageContaining("prefill has tp_size 8 in kv_connector_extra_config here")
                .hasMessageContaining("node 0 runs with tp_size 4");
        assertThatThrownBy(() -> ask("kv_producer", "\"do_remote_decode\":true,\"remote_tp_size\":2," + TICKET))
                .isInstanceOf(ApiError.class)
                .hasMessageContaining("decode has tp_size 1")
                .hasMessageContaining("tp_size 2");
    }

    @Test
    void shouldTakeAPeerThatFitsOrSaysNothing() {
        assertThat(ask("kv_consumer", "\"do_remote_prefill\":true,\"remote_tp_size\":\"8\"," + TICKET))
                .isInstanceOf(HandoffRole.Fetch.class);
        assertThat(ask("kv_consumer", "\"do_remote_prefill\":true," + TICKET)).isInstanceOf(HandoffRole.Fetch.class);
        assertThat(ask("kv_producer", "\"do_remote_decode\":true")).isInstanceOf(HandoffRole.Lend.class);
    }

    @Test
    void shouldRefuseThePartOfTheOtherSide() {
        assertThatThrownBy(() -> ask("kv_producer", "\"do_remote_prefill\":true," + TICKET))
                .isInstanceOf(ApiError.class)
                .hasMessageContaining("asks for fetch, but this node runs with kv_role kv_producer");
    }

    private static HandoffRole ask(String role, String params) {
        boolean isPrefill = role.equals("kv_producer");
        var flags = ServeFlags.parse(List.of(
                "model",
                "--tensor-parallel-size",
                isPrefill ? "8" : "1",
                "--kv-transfer-config",
                "{\"kv_connector\":\"MooncakeConnector\",\"kv_role\":\"" + role + "\",\"kv_connector_extra_config\":"
                        + "{\"prefill\":{\"dp_size\":1,\"tp_size\":8},\"decode\":{\"dp_size\":1,\"tp_size\":1}}}"));
        String body = "{\"model\":\"m\",\"prompt\":\"p\",\"kv_transfer_params\":{" + params + "}}";
        CompletionRequest request = CompletionRequest.read(StrictJson.object(body.getBytes(StandardCharsets.UTF_8)));
        return new HandoffAdmission(
                        flags.kvTransfer(), new HandoffPeers(List.of(), PeerTrust.everybody(), Set.of(), Set.of()))
                .of(request.generation(), 1, "127.0.0.1");
    }
}
