package dev.tandem.api;

import static java.nio.charset.StandardCharsets.UTF_16BE;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static java.nio.charset.StandardCharsets.UTF_32BE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.util.HexFormat;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTextTest {
    @ParameterizedTest
    @MethodSource("otherEncodings")
    void shouldRefuseOtherEncodings(byte[] body) {
        assertThatThrownBy(() -> StrictJson.object(body))
                .isInstanceOf(ApiError.class)
                .hasMessageStartingWith("the request body is not valid JSON: line 1 column ")
                .hasMessageContaining(": invalid UTF-8 (byte 0x");
    }

    static Stream<byte[]> otherEncodings() {
        return Stream.of(
                "{\"a\":1}".getBytes(UTF_16LE),
                "{\"a\":1}".getBytes(UTF_16BE),
                "\ufeff{\"a\":1}".getBytes(UTF_16LE),
                "\ufeff{\"a\":1}".getBytes(UTF_16BE),
                "{\"a\":1}".getBytes(UTF_32BE));
    }

    @ParameterizedTest
    @ValueSource(strings = {"c080", "eda080", "f5808080", "80", "c3", "e28228", "f0808080", "ff"})
    void shouldRefuseWhatIsNotWellFormed(String hex) {
        byte[] fault = HexFormat.of().parseHex(hex);
        byte[] body = ByteBuffer.allocate(64)
                .put("{\"a\":\"0123456789 é€😀".getBytes(UTF_8))
                .put(fault)
                .put("\"}".getBytes(UTF_8))
                .array();
        assertThatThrownBy(() -> JsonText.of(body))
                .isInstanceOf(ApiError.class)
                .hasMessageContaining("line 1 column 21: invalid UTF-8");
    }

    @Test
    void shouldReadTextBehindAByteOrderMark() {
        assertThat(StrictJson.object("\ufeff{\"a\":\"é\"}".getBytes(UTF_8))
                        .get("a")
                        .asString())
                .isEqualTo("é");
    }

    @Test
    void shouldAgreeWithTheDecoderOfTheJdk() {
        Random random = new Random(7);
        int wellFormed = 0;
        for (int round = 0; round < 20_000; round++) {
            byte[] text = new byte[1 + random.nextInt(12)];
            for (int i = 0; i < text.length; i++) {
                text[i] = (byte) (random.nextBoolean() ? 0x80 + random.nextInt(0x80) : 0x20 + random.nextInt(0x60));
            }
            boolean isWellFormed = isUtf8(text);
            wellFormed += isWellFormed ? 1 : 0;
            assertThat(JsonText.fault(text) < 0)
                    .as(HexFormat.of().formatHex(text))
                    .isEqualTo(isWellFormed);
        }
        assertThat(wellFormed).isGreaterThan(1_000);
    }

    private static boolean isUtf8(byte[] text) {
        try {
            UTF_8.newDecoder().decode(ByteBuffer.wrap(text));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        }
    }
}
