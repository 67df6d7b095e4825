package dev.tandem.api.openai;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.openai.ReplyBuilder.Kind;
import org.junit.jupiter.api.Test;

class RequestIdTest {
    @Test
    void shouldFormIdsAsVllmDoes() {
        assertThat(RequestId.ofReply(Kind.COMPLETION, "7")).isEqualTo("cmpl-7");
        assertThat(RequestId.ofReply(Kind.CHAT, "7")).isEqualTo("chatcmpl-7");
        assertThat(RequestId.ofSequence(Kind.COMPLETION, "7", 2)).isEqualTo("cmpl-7-2");
        assertThat(RequestId.ofSequence(Kind.CHAT, "7", 0)).isEqualTo("chatcmpl-7");
        assertThat(RequestId.ofSequence(Kind.COMPLETION, "7", 2, 1)).isEqualTo("1_cmpl-7-2");
        assertThat(RequestId.ofSequence(Kind.CHAT, "7", 0, 3)).isEqualTo("3_chatcmpl-7");
    }

    @Test
    void shouldNameWhatARequestForOneSequenceIsLentUnder() {
        assertThat(RequestId.ofSingleSequence("7"))
                .containsExactly(
                        RequestId.ofSequence(Kind.COMPLETION, "7", 0), RequestId.ofSequence(Kind.CHAT, "7", 0));
    }
}
