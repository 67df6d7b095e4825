package dev.tandem.ops.simulate;

import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Function;

/** One request of a simulated client, on its way over P and D: with tries, and with a client that may leave. */
final class EngineExchange {
    private static final long SECOND = EngineSimulation.SECOND;
    /** How an exchange ends that loses its node. */
    static final String LOST = "connection lost";

    private static final long PATIENCE_NS = 60 * SECOND; // beyond the deadline
    private static final int QUESTION_BYTES = 500;

    private final EngineSimulation simulation;
    private final SimulatedNetwork network;
    private final SplittableRandom random;
    private final String id;
    private final int[] prompt;
    private final int[] expected;
    private final int maxTokens;
    private final Duration deadline;
    private final ClientId from;
    private final boolean isLeft; // its client goes before the end
    private final SimulatedHost p;
    private SimulatedHost d;
    private int triesLeft; // after failures, with the same id
    private final List<SimulatedConnection> open = new ArrayList<>(); // of this try
    private Optional<HandoffTicket> lent = Optional.empty();
    private boolean isOver;
    private int tokens;

    EngineExchange(EngineSimulation simulation, String id) {
        this.simulation = simulation;
        this.network = simulation.network();
        this.random = simulation.random();
        this.id = id;
        this.prompt = EngineDeployment.prompt(random);
        this.maxTokens = random.nextInt(1, 16);
        this.expected = SimulatedModel.expected(prompt, maxTokens);
        this.deadline = Duration.ofMillis(simulation.logUniform(1_000, 60_000));
        this.from = new ClientId("10.0.9." + random.nextInt(1, 4), "");
        this.isLeft = random.nextInt(6) == 0;
        this.p = simulation.anyPrefill();
        this.d = simulation.anyDecode();
        this.triesLeft = random.nextInt(3);
    }

    String id() {
        return id;
    }

    boolean isOver() {
        return isOver;
    }

    void begin() {
        network.time().at(network.time().nowNs() + deadline.toNanos() + PATIENCE_NS, () -> end("no answer in time"));
        if (isLeft) {
            network.time().at(network.time().nowNs() + random.nextLong(SECOND / 1000, 5 * SECOND), () -> end("left"));
        }
        ask();
    }

    private void ask() {
        switch (simulation.connector()) {
            case PULL -> askPrefill();
            case LAYERWISE -> askDecode(new HandoffRole.Receive(simulation.metaserver(id)));
        }
    }

    private void ask(SimulatedHost node, Function<SimulatedConnection, Leg> leg) {
        open.add(simulation.connect(node, leg));
    }

    private Request request(String suffix, HandoffRole role) {
        return new Request(id + suffix, prompt, SamplingOptions.greedy(maxTokens), role, deadline, from);
    }

    private void askPrefill() {
        var ask = new ServedClient.Ask(request("-p", new HandoffRole.Lend()));
        ask(p, connection -> new Leg(connection, ask) {
            private boolean isDone;

            @Override
            void heard(TokenEvent event) {
                if (event instanceof Finished finished && finished.ticket().isPresent() && !isDone) {
                    isDone = true;
                    lent = Optional.of(
                            HandoffTicket.fromParams(finished.ticket().get().toParams()));
                    long idleNs = random.nextInt(4) == 0 ? simulation.logUniform(SECOND / 1000, 20 * SECOND) : 0;
                    network.time().at(network.time().nowNs() + idleNs, () -> goOn(new HandoffRole.Fetch(lent.get())));
                } else if (event instanceof Failed) {
                    failed("");
                }
            }

            @Override
            void failed(String why) {
                if (!isDone) {
                    isDone = true;
                    goOn(new HandoffRole.None()); // D computes it
                }
            }
        });
    }

    private void goOn(HandoffRole role) {
        if (!isOver) {
            askDecode(role);
        }
    }

    private void askDecode(HandoffRole role) {
        tokens = 0;
        var ask = new ServedClient.Ask(request("-d", role));
        ask(d, connection -> new Leg(connection, ask) {
            @Override
            void heard(TokenEvent event) {
                switch (event) {
                    case Token token -> {
                        EngineSimulation.check(
                                expected[tokens] == token.id(), id + " was told " + token.id() + " at place " + tokens);
                        tokens++;
                    }
                    case Finished finished -> {
                        EngineSimulation.check(isOver || tokens == expected.length, id + " lost tokens on the way");
                        end("finished" + how(role, finished));
                    }
                    case Failed failed -> endOrAgain("failed: " + failed.cause().kind());
                }
            }

            @Override
            void failed(String why) {
                endOrAgain(why);
            }
        });
    }

    /**
     * Has P push the prompt into a decode node's blocks.
     *
     * @param answer called when P has answered: empty when it is prefilled, else why not
     */
    void push(HandoffTicket target, Consumer<Optional<String>> answer) {
        var ask = new ServedClient.Ask(request("-p", new HandoffRole.Push(target)));
        ask(p, connection -> new Leg(connection, ask) {
            @Override
            void heard(TokenEvent event) {
                if (event instanceof Finished) {
                    answer.accept(Optional.empty());
                } else if (event instanceof Failed failed) {
                    answer.accept(Optional.of("failed: " + failed.cause().getMessage()));
                }
            }

            @Override
            void failed(String why) {
                answer.accept(Optional.of(why));
            }
        });
    }

    /** Another try has the same ids; what the first one began may still be there. */
    private void endOrAgain(String outcome) {
        if (isOver || triesLeft == 0) {
            end(outcome);
            return;
        }
        triesLeft--;
        network.trace("client", id + " " + outcome + ", and tries again");
        List.copyOf(open).forEach(connection -> connection.close("the client tries again"));
        open.clear();
        d = simulation.anyDecode();
        boolean isOfTicket = lent.isPresent() && random.nextBoolean();
        long pauseNs = simulation.logUniform(SECOND / 1000, SECOND);
        network.time()
                .at(
                        network.time().nowNs() + pauseNs,
                        isOfTicket ? () -> goOn(new HandoffRole.Fetch(lent.get())) : this::askAgain);
    }

    private void askAgain() {
        if (!isOver) {
            ask();
        }
    }

    private String how(HandoffRole role, Finished finished) {
        return role instanceof HandoffRole.None
                ? " without P"
                : finished.usage().handoff().remoteTokens() > 0
                        ? " with KV of P"
                        : finished.usage().handoff().recomputeReason().isPresent() ? ", recomputed" : " from cache";
    }

    /** The client has its answer, or none; its connections end, and with them what nodes still do for it. */
    private void end(String outcome) {
        if (isOver) {
            return;
        }
        isOver = true;
        network.trace("client", id + " " + outcome);
        simulation.count(outcome);
        if (lent.isPresent() && !outcome.startsWith("finished") && random.nextBoolean()) {
            cancelLease();
        }
        open.forEach(connection -> connection.close("the client is done"));
    }

    private void cancelLease() {
        var cancel = new ServedClient.CancelLease(id + "-p");
        simulation.connect(p, connection -> new Leg(connection, cancel) {
            @Override
            void heard(TokenEvent event) {}

            @Override
            void failed(String why) {}
        });
    }

    /** A connection to a node, as the client has it. */
    abstract static class Leg implements SimulatedConnection.Handler {
        private final SimulatedConnection connection;
        private final Object question;

        Leg(SimulatedConnection connection, Object question) {
            this.connection = connection;
            this.question = question;
        }

        abstract void heard(TokenEvent event);

        abstract void failed(String why);

        @Override
        public void opened() {
            connection.send(question, QUESTION_BYTES);
        }

        @Override
        public void received(Object message) {
            if (connection.isClosed()) {
                return;
            }
            switch (message) {
                case TokenEvent event -> heard(event);
                case EngineException refused -> failed("refused: " + refused.kind());
                default -> throw new IllegalStateException("unknown " + message);
            }
        }

        @Override
        public void closed(String reason) {
            if (!reason.startsWith("the client")) {
                failed(LOST);
            }
        }
    }
}
