package dev.tandem.gateway.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LegRequestsTest {
    private static JsonSpans spans(String json) {
        return JsonSpans.of(json.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Test
    void shouldRewriteThePrefillHopAndKeepEverythingElseToTheByte() {
        String body =
                " { \"model\" : \"m\",\"prompt\":\"a,\\\" }\" , \"stream\":true,\"stream_options\":{\"include_usage\":true},"
                        + "\"max_tokens\":100 ,\"max_completion_tokens\":90,\"min_tokens\":5,\"n\":1,\"best_of\":1,\"logprobs\":3,"
                        + "\"top_logprobs\":2,\"echo\":true,\"kv_transfer_params\":{\"evil\":1},\"seed\":123456789012345678901,"
                        + "\"x\":[ {\"y\" :1e400}, \"é\\u00e9\" ] }\n";
        assertThat(text(LegRequests.prefillBody(spans(body))))
                .isEqualTo("{\"model\" : \"m\",\"prompt\":\"a,\\\" }\",\"seed\":123456789012345678901,"
                        + "\"x\":[ {\"y\" :1e400}, \"é\\u00e9\" ],\"stream\":false,\"max_tokens\":1,\"min_tokens\":1,"
                        + "\"kv_transfer_params\":{\"do_remote_decode\":true,\"do_remote_prefill\":false,"
                        + "\"remote_engine_id\":null,\"remote_block_ids\":null,\"remote_host\":null,\"remote_port\":null},"
                        + "\"max_completion_tokens\":1}");
    }

    @Test
    void shouldLeaveOutWhatCouldEndThePrefillOtherwiseThanByItsLength() {
        String body = "{\"prompt\":\"a\",\"stop\":[\"\\n\"],\"stop_token_ids\":[1],\"top_p\":1}";
        assertThat(text(LegRequests.prefillBody(spans(body)))).startsWith("{\"prompt\":\"a\",\"top_p\":1,\"stream\"");
        assertThat(text(LegRequests.decodeBody(spans(body), "{}".getBytes(StandardCharsets.UTF_8))))
                .contains("\"stop\":[\"\\n\"],\"stop_token_ids\":[1]");
    }

    @Test
    void shouldNotInventMaxCompletionTokens() {
        assertThat(text(LegRequests.prefillBody(spans("{\"prompt\":\"a\"}")))).doesNotContain("max_completion_tokens");
    }

    @Test
    void shouldPutTheTicketIntoTheDecodeHopAsItIs() {
        String ticket = "{\"remote_block_ids\":[[18446744073709551615]], \"new_key\":1.0}";
        byte[] reply = ("{\"id\":\"x\",\"kv_transfer_params\" : " + ticket + ",\"usage\":{}}")
                .getBytes(StandardCharsets.UTF_8);
        byte[] found = LegRequests.ticket(reply).orElseThrow();
        assertThat(text(found)).isEqualTo(ticket);
        assertThat(text(LegRequests.decodeBody(spans("{\"a\":1,\"kv_transfer_params\":null,\"b\":2}"), found)))
                .isEqualTo("{\"a\":1,\"b\":2,\"kv_transfer_params\":" + ticket + "}");
    }

    @Test
    void shouldLeaveALocalRequestUntouchedUnlessItCarriesParameters() {
        byte[] body = "{ \"a\": 1 }".getBytes(StandardCharsets.UTF_8);
        assertThat(LegRequests.localBody(JsonSpans.of(body))).isSameAs(body);
        assertThat(text(LegRequests.localBody(spans("{\"kv_transfer_params\":{},\"a\":1}"))))
                .isEqualTo("{\"a\":1}");
        assertThat(text(LegRequests.localBody(spans("{\"kv_transfer_params\":{}}"))))
                .isEqualTo("{}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"kv_transfer_params\":null}",
                "{\"kv_transfer_params\":{}}",
                "{\"kv_transfer_params\":{ \\n }}",
                "{\"kv_transfer_params\":\"x\"}",
                "{\"nested\":{\"kv_transfer_params\":{\"a\":1}}}"
            })
    void shouldFindNoTicketWhereThereIsNone(String reply) {
        assertThat(LegRequests.ticket(reply.replace("\\n", "\n").getBytes(StandardCharsets.UTF_8)))
                .isEmpty();
    }

    @Test
    void shouldKnowWhichRequestsFit() {
        for (String fits : new String[] {
            "{\"prompt\":\"a\"}",
            "{\"prompt\":[1,2,3]}",
            "{\"prompt\":[\"a\"]}",
            "{\"prompt\":[[1,2]]}",
            "{\"messages\":[1,2]}",
            "{\"prompt\":\"a\",\"n\":1,\"best_of\":null,\"logprobs\":5,\"echo\":false}",
            "{\"prompt\":\"a\",\"echo\":true}"
        }) {
            assertThat(LegRequests.unfit(spans(fits), false)).as(fits).isEmpty();
        }
        for (String list : new String[] {"{\"prompt\":[\"a\",\"b\"]}", "{\"prompt\":[[1],[2]]}", "{\"prompt\":[]}"}) {
            assertThat(LegRequests.unfit(spans(list), false)).as(list).contains(LocalReason.LIST_PROMPT);
        }
        for (String several :
                new String[] {"{\"n\":2}", "{\"best_of\":3,\"n\":1}", "{\"use_beam_search\":true}", "{\"n\":1.5}"}) {
            assertThat(LegRequests.unfit(spans(several), false)).as(several).contains(LocalReason.SEVERAL_CHOICES);
        }
        for (String logprobs : new String[] {"{\"prompt_logprobs\":0}", "{\"echo\":true,\"logprobs\":1}"}) {
            assertThat(LegRequests.unfit(spans(logprobs), false)).as(logprobs).contains(LocalReason.PROMPT_LOGPROBS);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "{",
                "[]",
                "1",
                "{\"a\":1,}",
                "{\"a\" 1}",
                "{\"a\":1}{}",
                "{\"a\":1,\"a\":1}",
                "{\"a\":01}",
                "{a:1}",
                "{\"a\":\"\t\"}",
                "{\"a\":tru}",
                "{\"a\":NaN}",
                "{\"a\":1}]",
                "{\"\\u0061\":1,\"a\":2}"
            })
    void shouldRefuseWhatIsNoSingleObject(String body) {
        assertThatThrownBy(() -> spans(body))
                .isInstanceOfSatisfying(
                        ApiError.class, e -> assertThat(e.status()).isEqualTo(400));
    }

    @Test
    void shouldRefuseNestingThatIsTooDeep() {
        assertThatThrownBy(() -> spans("{\"a\":" + "[".repeat(500) + "]".repeat(500) + "}"))
                .isInstanceOf(ApiError.class);
    }

    @Test
    void shouldCutFieldsWhateverLiesBetweenThem() {
        String[] values = {
            "1", "-1.5e3", "\"\"", "\"x\\\\\"", "true", "null", "{}", "[ ]", "{\"a\":[1,{\"b\":2}]}", "\"é😀\""
        };
        String[] gaps = {"", " ", "\n\t ", "\r\n"};
        for (String gap : gaps) {
            StringBuilder body = new StringBuilder("{");
            for (int i = 0; i < values.length; i++) {
                body.append(i == 0 ? "" : ",")
                        .append(gap)
                        .append("\"f")
                        .append(i)
                        .append('"')
                        .append(gap)
                        .append(':');
                body.append(gap).append(values[i]).append(gap);
            }
            JsonSpans spans = spans(body.append('}').append(gap).toString());
            for (int i = 0; i < values.length; i++) {
                assertThat(spans.text("f" + i)).contains(values[i]);
            }
        }
    }
}
