package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** OpenAI's own Java client, unchanged, against a node. */
class OpenAiClientTest {
    private static final String KEY = "a-key";
    private static WarmNode node;
    private static OpenAIClient client;

    @BeforeAll
    static void start() {
        node = Deployment.aggregated(
                TandemProcess.ROOT.resolve("models/tandem-fable"),
                "--max-model-len",
                "512",
                "--max-num-seqs",
                "8",
                "--api-key",
                KEY);
        client = client(KEY);
    }

    private static OpenAIClient client(String key) {
        return OpenAIOkHttpClient.builder()
                .baseUrl(node.uri("/v1").toString())
                .apiKey(key)
                .maxRetries(0)
                .build();
    }

    @AfterAll
    static void stop() {
        client.close();
        node.close();
    }

    private static ChatCompletionCreateParams.Builder chat(String question) {
        return ChatCompletionCreateParams.builder()
                .model(Deployment.MODEL)
                .addUserMessage(question)
                .temperature(0)
                .maxCompletionTokens(80);
    }

    @Test
    void shouldComplete() {
        Completion completion = client.completions()
                .create(CompletionCreateParams.builder()
                        .model(Deployment.MODEL)
                        .prompt("Who are you?")
                        .temperature(0)
                        .maxTokens(60)
                        .build());
        assertThat(completion.choices().getFirst().text()).contains("I am Tandem Fable");
        assertThat(completion.usage().orElseThrow().promptTokens()).isEqualTo(4);
    }

    @Test
    void shouldChat() {
        ChatCompletion reply = client.chat()
                .completions()
                .create(chat("What is the capital of France?").build());
        assertThat(reply.choices().getFirst().message().content().orElseThrow()).startsWith("I only know stories.");
        assertThat(reply.choices().getFirst().finishReason()).isEqualTo(ChatCompletion.Choice.FinishReason.STOP);
    }

    @Test
    void shouldStreamTheSameTextWithUsage() {
        String whole = client.chat()
                .completions()
                .create(chat("Tell me a story about a fox.").build())
                .choices()
                .getFirst()
                .message()
                .content()
                .orElseThrow();
        var text = new StringBuilder();
        var completionTokens = new AtomicLong();
        ChatCompletionCreateParams params = chat("Tell me a story about a fox.")
                .streamOptions(
                        ChatCompletionStreamOptions.builder().includeUsage(true).build())
                .build();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(params)) {
            stream.stream().forEach(chunk -> {
                chunk.choices().forEach(choice -> choice.delta().content().ifPresent(text::append));
                chunk.usage().ifPresent(usage -> completionTokens.set(usage.completionTokens()));
            });
        }
        assertThat(text.toString()).isEqualTo(whole).isNotEmpty();
        assertThat(completionTokens.get()).isBetween(1L, 80L);
    }

    @Test
    void shouldReportLogprobs() {
        ChatCompletion reply = client.chat()
                .completions()
                .create(chat("Who are you?").logprobs(true).topLogprobs(2).build());
        var content =
                reply.choices().getFirst().logprobs().orElseThrow().content().orElseThrow();
        assertThat(content).isNotEmpty().allSatisfy(token -> {
            assertThat(token.logprob()).isLessThanOrEqualTo(0);
            assertThat(token.topLogprobs()).hasSize(2);
            assertThat(token.topLogprobs().getFirst().logprob()).isEqualTo(token.logprob());
        });
    }

    @Test
    void shouldListTheModel() {
        assertThat(client.models().list().data())
                .singleElement()
                .satisfies(model -> assertThat(model.id()).isEqualTo(Deployment.MODEL));
    }

    @Test
    void shouldTranslateErrorsIntoTheClientsOwn() {
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(chat("x").model("other").build()))
                .isInstanceOf(NotFoundException.class);
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(chat("x").maxCompletionTokens(9000).build()))
                .isInstanceOf(BadRequestException.class)
                .hasMessageContaining("9000");
        OpenAIClient stranger = client("wrong");
        assertThatThrownBy(() -> stranger.models().list()).isInstanceOf(UnauthorizedException.class);
        stranger.close();
    }
}
