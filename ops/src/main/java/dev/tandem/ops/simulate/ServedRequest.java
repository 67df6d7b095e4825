package dev.tandem.ops.simulate;

import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenQueue;
import java.util.Arrays;
import java.util.function.Consumer;

/** One request in a simulated node's engine, its tokens, its end; what must never be is an {@link IllegalStateException} here. */
public final class ServedRequest {
    private final SimulatedNode node;
    private final Request request;
    private final Consumer<TokenEvent> listener;
    private final int[] expected;
    private final TokenQueue stream;
    private int tokens;
    private boolean isOver;
    private boolean isClosed;

    /**
     * Submits it.
     *
     * @param slackNs how long after its deadline it may live
     * @param listener gets its tokens and its end, as they come
     * @throws EngineException when it is refused
     */
    public ServedRequest(SimulatedNode node, Request request, long slackNs, Consumer<TokenEvent> listener) {
        this.node = node;
        this.request = request;
        this.listener = listener;
        this.expected = SimulatedModel.expected(
                request.promptTokenIds(), request.sampling().maxTokens());
        this.stream = node.submit(request, this::happened);
        node.host()
                .after(
                        request.deadline().toNanos() + slackNs,
                        "test",
                        () -> EngineSimulation.check(
                                isOver, request.id() + " lives on after its deadline at " + node.host()));
    }

    private void happened(TokenEvent event) {
        EngineSimulation.check(!isOver, request.id() + " got " + event + " after its end");
        node.host().network().trace(node.host().address(), request.id() + " " + told(event));
        switch (event) {
            case Token token -> {
                EngineSimulation.check(
                        tokens < expected.length && expected[tokens] == token.id(),
                        request.id() + " got token " + token.id() + " at place " + tokens + " of "
                                + Arrays.toString(expected) + " at " + node.host());
                tokens++;
            }
            case Finished finished -> {
                isOver = true;
                checkFinished(finished);
            }
            case Failed failed -> isOver = true;
        }
        listener.accept(event);
    }

    private void checkFinished(Finished finished) {
        boolean isPrefill =
                request.handoff() instanceof HandoffRole.Lend || request.handoff() instanceof HandoffRole.Push;
        boolean isWhole = tokens == (isPrefill ? 1 : expected.length);
        EngineSimulation.check(
                finished.reason() == FinishReason.ABORT || isWhole || isClosed,
                request.id() + " ended with " + tokens + " of " + expected.length + " tokens: " + finished);
        EngineSimulation.check(
                finished.reason() != FinishReason.ABORT || isClosed || node.isCancelled(request.id()),
                request.id() + " was aborted, and nobody has asked for it");
    }

    /** Whoever asked wants no more. */
    public void close() {
        isClosed = true;
        if (!isOver) {
            stream.close();
        }
    }

    private static String told(TokenEvent event) {
        return switch (event) {
            case Token token -> "token " + token.id();
            case Finished finished -> "finished: " + finished.reason();
            case Failed failed -> "failed: " + failed.cause().getMessage();
        };
    }
}
