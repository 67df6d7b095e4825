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
import org.jspecify.annotations.Nullable;

/** A simulated node's side of one client connection: one request, its tokens, its end; what must never be is found here. */
final class ServedClient implements SimulatedConnection.Handler {
    /** A client asks for tokens. */
    record Ask(Request request) {}

    /** A client tells that nobody will fetch what a request has lent. */
    record CancelLease(String requestId) {}

    private final EngineSimulation simulation;
    private final SimulatedNode node;
    private final SimulatedConnection connection;
    private @Nullable TokenQueue stream;
    private int tokens;
    private boolean isOver;

    ServedClient(EngineSimulation simulation, SimulatedNode node, SimulatedConnection connection) {
        this.simulation = simulation;
        this.node = node;
        this.connection = connection;
    }

    @Override
    public void opened() {}

    @Override
    public void received(Object message) {
        switch (message) {
            case Ask ask -> begin(ask.request());
            case CancelLease cancel -> node.cancelLease(cancel.requestId());
            default -> throw new IllegalStateException("unknown " + message);
        }
    }

    private void begin(Request request) {
        try {
            stream = node.submit(request, event -> happened(request, event));
        } catch (EngineException refused) {
            isOver = true;
            connection.send(refused, 100);
            return;
        }
        node.host()
                .after(
                        request.deadline().toNanos() + simulation.slackNs(),
                        "test",
                        () -> EngineSimulation.check(
                                isOver, request.id() + " lives on after its deadline at " + node.host()));
    }

    private void happened(Request request, TokenEvent event) {
        EngineSimulation.check(!isOver, request.id() + " got " + event + " after its end");
        simulation.network().trace(node.host().address(), request.id() + " " + told(event));
        int[] expected = simulation.expected(request.id());
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
                checkFinished(request, finished, expected);
            }
            case Failed failed -> isOver = true;
        }
        connection.send(event, 100);
    }

    private void checkFinished(Request request, Finished finished, int[] expected) {
        boolean isPrefill =
                request.handoff() instanceof HandoffRole.Lend || request.handoff() instanceof HandoffRole.Push;
        boolean isWhole = tokens == (isPrefill ? 1 : expected.length);
        EngineSimulation.check(
                finished.reason() == FinishReason.ABORT || isWhole || connection.isClosed(),
                request.id() + " ended with " + tokens + " of " + expected.length + " tokens: " + finished);
        EngineSimulation.check(
                finished.reason() != FinishReason.ABORT || connection.isClosed(),
                request.id() + " was aborted, and nobody has asked for it");
    }

    @Override
    public void closed(String reason) {
        if (stream != null && !isOver) {
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
