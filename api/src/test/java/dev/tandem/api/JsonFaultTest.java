package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.api.openai.ApiError;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonFaultTest {
    private static final String BEGINNING = "the request body is not valid JSON: ";

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String fault(byte[] json) {
        String message = catchThrowableOfType(ApiError.class, () -> StrictJson.object(json))
                .message();
        assertThat(message).startsWith(BEGINNING);
        return message.substring(BEGINNING.length());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{not json}|line 1 column 2: unexpected character ('n'): was expecting double-quote to start property name",
                "{|line 1 column 2: unexpected end-of-input: expected close marker for Object",
                "{\"a\":1,}|line 1 column 8: unexpected character ('}'): was expecting double-quote to start property name",
                "{\"a\" 1}|line 1 column 6: unexpected character ('1'): was expecting a colon to separate property name and value",
                "{\"é\":tru}|line 1 column 6: unrecognized token 'tru': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
                "{\"a\":[1 2]}|line 1 column 9: unexpected character ('2'): was expecting comma to separate Array entries",
                "{\"a\":1}{}|line 1 column 8: more text behind the value",
                "{\"a\":01}|line 1 column 7: invalid numeric value: Leading zeroes not allowed",
                "{\"a\":-}|line 1 column 7: unexpected character ('}') in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value",
                "{\"a\":\"x|line 1 column 8: unexpected end-of-input: was expecting closing quote for a string value",
                "{\"a\":\"\\x\"}|line 1 column 8: unrecognized character escape 'x'",
                "{\"a\":\"\\u12g4\"}|line 1 column 11: unexpected character ('g'): expected a hex-digit for character escape sequence",
                "{\"a\":1,\"\\u0061\":2}|line 1 column 16: duplicate Object property \"a\"",
                "{'a':1}|line 1 column 2: unexpected character ('''): was expecting double-quote to start property name",
                "{/*c*/}|line 1 column 2: unexpected character ('/'): maybe a (non-standard) comment?",
                "{\"a\":NaN}|line 1 column 9: non-standard token 'NaN'"
            })
    void shouldSayWhatWasExpectedWhere(String json, String problem) {
        assertThat(fault(utf8(json))).isEqualTo(problem);
    }

    @Test
    void shouldCountLines() {
        assertThat(fault(utf8("{\r\n  \"a\": 1,\n  b\n}")))
                .isEqualTo(
                        "line 3 column 3: unexpected character ('b'): was expecting double-quote to start property name");
    }

    @Test
    void shouldNameAControlCharacterAndAByteThatIsNotUtf8() {
        assertThat(fault(utf8("{\"a\":\"\t\"}")))
                .isEqualTo("line 1 column 7: illegal unquoted character (control character 9): has to be escaped using"
                        + " backslash to be included in string value");
        byte[] broken = utf8("{\"a\":\"xx\"}");
        broken[7] = (byte) 0xff;
        assertThat(fault(broken)).startsWith("line 1 column ").contains("invalid UTF-8", "0xff");
    }

    @Test
    void shouldNameTheLimits() {
        assertThat(fault(utf8("[".repeat(200))))
                .isEqualTo("line 1 column 130: document nesting depth (129) exceeds the maximum allowed (128)");
        assertThat(fault(utf8("[" + "1".repeat(1_001) + "]")))
                .startsWith("line 1 column ")
                .endsWith(": number value length (1001) exceeds the maximum allowed (1000)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", " { } ", "{\"a\":[-0.5e-3,true,false,null,\"\\\"\\u00e9é\"]}", "\uFEFF{}"})
    void shouldFindNothingInJson(String json) {
        assertThat(StrictJson.object(utf8(json)).isObject()).isTrue();
    }

    @Test
    void shouldShowNothingOfTheParsersOwnSettings() {
        for (String bad : new String[] {
            "{",
            "{not json",
            "{\"a\":tru}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1}x",
            "{\"a\":\"\u0001\"}",
            "{\"a\":NaN}",
            "{\"a\":+1}",
            "{/**/}",
            "[".repeat(200),
            "[" + "1".repeat(1_001) + "]",
            "{}{}"
        }) {
            assertThat(fault(utf8(bad)))
                    .startsWith("line 1 column ")
                    .doesNotContain("Source", "REDACTED", "JsonParser", "code ", "Feature", "Constraints", "tools.");
        }
    }

    @Test
    void shouldCutLongTokens() {
        assertThat(fault(utf8("{\"a\":" + "z".repeat(10_000) + "}")).length()).isLessThan(300);
    }
}
