package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonFaultTest {
    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{not json}|line 1 column 2: expected a field name in double quotes or '}', found 'not'",
                "{|line 1 column 2: expected a field name in double quotes or '}', found the end",
                "{\"a\":1,}|line 1 column 8: expected a field name in double quotes, found '}'",
                "{\"a\" 1}|line 1 column 6: expected ':' behind the field name 'a', found '1'",
                "{\"é\":tru}|line 1 column 6: expected a value, found 'tru'",
                "{\"a\":[1 2]}|line 1 column 9: expected ',' or ']' behind an element, found '2'",
                "{\"a\":1}{}|line 1 column 8: expected the end of the text behind its value, found '{'",
                "{\"a\":01}|line 1 column 6: a number must not begin with a zero",
                "{\"a\":-}|line 1 column 7: expected a digit, found '}'",
                "{\"a\":\"x|line 1 column 6: a string begins here and has no closing quote",
                "{\"a\":\"\\x\"}|line 1 column 7: a backslash must be followed by one of \"\\/bfnrtu",
                "{\"a\":\"\\u12g4\"}|line 1 column 7: \\u must be followed by four hexadecimal digits",
                "{\"a\":1,\"\\u0061\":2}|line 1 column 8: the field 'a' comes twice in one object",
                "{'a':1}|line 1 column 2: expected a field name in double quotes or '}', found '''",
                "{/*c*/}|line 1 column 2: expected a field name in double quotes or '}', found '/'",
                "{\"a\":NaN}|line 1 column 6: expected a value, found 'NaN'"
            })
    void shouldSayWhatWasExpectedWhere(String json, String problem) {
        assertThat(JsonFault.find(utf8(json)).orElseThrow().toString()).isEqualTo(problem);
    }

    @Test
    void shouldCountLines() {
        assertThat(JsonFault.find(utf8("{\r\n  \"a\": 1,\n  b\n}")))
                .contains(new JsonFault(3, 3, "expected a field name in double quotes, found 'b'"));
    }

    @Test
    void shouldNameAControlCharacterAndAByteThatIsNoUtf8() {
        assertThat(JsonFault.find(utf8("{\"a\":\"\t\"}")).orElseThrow().toString())
                .isEqualTo("line 1 column 7: control character 0x09 inside a string; escape it");
        byte[] broken = utf8("{\"a\":\"xx\"}");
        broken[7] = (byte) 0xff;
        assertThat(JsonFault.find(broken).orElseThrow().toString())
                .isEqualTo("line 1 column 8: the byte 0xff, which is no UTF-8");
    }

    @Test
    void shouldNameTheLimits() {
        assertThat(JsonFault.find(utf8("[".repeat(200))).orElseThrow().problem())
                .isEqualTo("objects and arrays are nested deeper than 128");
        assertThat(JsonFault.find(utf8("[" + "1".repeat(1_001) + "]"))
                        .orElseThrow()
                        .problem())
                .isEqualTo("a number has 1001 characters; at most 1000 are allowed");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", " [ ] ", "{\"a\":[-0.5e-3,true,false,null,\"\\\"\\u00e9é\"]}", "1", "\uFEFF{}"})
    void shouldFindNothingInJson(String json) {
        assertThat(JsonFault.find(utf8(json))).isEmpty();
    }

    @Test
    void shouldShowNothingOfTheParsersOwnWords() {
        for (String bad :
                new String[] {"{", "{not json", "{\"a\":tru}", "{\"a\":1,\"a\":2}", "{\"a\":1}x", "{\"a\":\"\u0001\"}"
                }) {
            assertThatThrownBy(() -> StrictJson.object(utf8(bad)))
                    .isInstanceOfSatisfying(
                            ApiError.class,
                            e -> assertThat(e.message())
                                    .startsWith("the request body is not valid JSON: line 1 column ")
                                    .doesNotContain("Source", "REDACTED", "JsonParser", "code "));
        }
    }
}
