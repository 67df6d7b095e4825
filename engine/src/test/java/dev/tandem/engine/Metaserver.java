package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.TokenEvent;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;

/** The gateway of a layerwise push: it knows the prompts, asks the prefill node, and answers the decode node when that has answered. */
final class Metaserver implements Invitation.Messenger {
    static final String URL = "http://gateway/v1/metaserver";
    private final Map<String, Prompt> prompts = new ConcurrentHashMap<>();
    final BlockingQueue<HandoffRole> asked = new LinkedBlockingQueue<>();
    volatile Optional<ExchangeNode> prefill = Optional.empty();

    void expect(Prompt prompt) {
        prompts.put(prompt.id(), prompt);
    }

    @Override
    public Runnable send(Invitation invitation, Consumer<Optional<String>> answered) {
        assertThat(invitation.metaserver()).isEqualTo(URL);
        Prompt prompt = prompts.get(String.valueOf(invitation.params().get("request_id")));
        HandoffRole role = HandoffParams.parse(new LinkedHashMap<>(invitation.params()));
        asked.add(role);
        if (prompt == null) {
            answered.accept(Optional.of("status 404: no such request"));
        } else {
            prefill.ifPresent(node -> Thread.ofVirtual().start(() -> answered.accept(call(node, prompt, role))));
        }
        return () -> {};
    }

    private static Optional<String> call(ExchangeNode node, Prompt prompt, HandoffRole role) {
        try {
            Outcome outcome = read(node.submit(prompt.id(), prompt, role));
            return outcome.end() instanceof TokenEvent.Failed failed
                    ? Optional.of("status 502: " + failed.cause().getMessage())
                    : Optional.empty();
        } catch (EngineException | InterruptedException e) {
            return Optional.of("status 502: " + e.getMessage());
        }
    }
}
