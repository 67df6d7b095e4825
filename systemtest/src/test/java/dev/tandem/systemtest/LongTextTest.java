package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Long texts keep a node's tokenizer busy for seconds; its state and short requests do not wait for them. */
class LongTextTest {
    private static final int LONG_CALLS = 32;
    private static final String LONG_TEXT = "{\"prompt\":\"" + "long text 123 ".repeat(14_000) + "\"}";

    private static WarmNode node;

    @BeforeAll
    static void start() {
        node = Deployment.aggregated(TandemProcess.ROOT.resolve("models/tandem-fable"), "--max-model-len", "4096");
    }

    @AfterAll
    static void stop() {
        node.close();
    }

    private static Reply complete() {
        return Client.postText(
                node.uri("/v1/completions"), "{\"model\":\"m\",\"prompt\":\"Who are you?\",\"max_tokens\":2}");
    }

    @Test
    void shouldTellItsStateAndCompleteShortPromptsWhileLongTextsAreTokenized() {
        assertThat(complete().status()).isEqualTo(200);
        List<CompletableFuture<Reply>> longCalls = new ArrayList<>();
        for (int i = 0; i < LONG_CALLS; i++) {
            longCalls.add(Client.postAsync(node.uri("/tokenize"), LONG_TEXT));
        }
        assertThat(Client.get(node.uri("/health")).status()).isEqualTo(200);
        assertThat(Client.get(node.uri("/metrics")).status()).isEqualTo(200);
        assertThat(complete().status()).isEqualTo(200);
        long underWay = longCalls.stream().filter(call -> !call.isDone()).count();
        assertThat(underWay)
                .as("long calls that the short ones did not wait for")
                .isGreaterThan(LONG_CALLS / 4);
        for (CompletableFuture<Reply> call : longCalls) {
            assertThat(call.join().status()).isEqualTo(200);
        }
    }

    @Test
    void shouldRefuseATextThatNoPromptCanBeAndGoOn() {
        Reply reply = Client.postText(node.uri("/tokenize"), "{\"prompt\":\"" + " ".repeat(10_000_000) + "\"}");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.body().toString())
                .contains("prompt has 10000000 characters, more than any prompt of 4096 tokens");
        assertThat(complete().status()).isEqualTo(200);
    }
}
