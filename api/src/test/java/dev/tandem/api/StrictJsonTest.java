package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StrictJsonTest {
    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void shouldKeepIntegersExact() {
        String json = "{\"a\":18446744073709551615,\"b\":-123456789012345678901234567890,\"c\":[1,2]}";
        assertThat(new String(StrictJson.bytes(StrictJson.object(utf8(json))), StandardCharsets.UTF_8))
                .isEqualTo(json);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "null",
                "\"x\"",
                "{",
                "{\"a\":1}{}",
                "{\"a\":1,\"a\":2}",
                "{\"x\":{\"a\":1,\"a\":2}}",
                "{\"a\":NaN}",
                "{'a':1}",
                "{\"a\":1,}",
                "{/*c*/}"
            })
    void shouldRefuseWhatIsNoPlainObject(String json) {
        assertThatThrownBy(() -> StrictJson.object(utf8(json)))
                .isInstanceOfSatisfying(
                        ApiError.class, e -> assertThat(e.status()).isEqualTo(400));
    }

    @Test
    void shouldBoundNesting() {
        String deep = "{\"a\":" + "[".repeat(200) + "]".repeat(200) + "}";
        assertThatThrownBy(() -> StrictJson.object(utf8(deep))).isInstanceOf(ApiError.class);
        String fine = "{\"a\":" + "[".repeat(100) + "]".repeat(100) + "}";
        assertThat(StrictJson.object(utf8(fine)).has("a")).isTrue();
    }
}
