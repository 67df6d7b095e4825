package dev.tandem.engine.schedule;

import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What each client has of the engine, and whose turn it is: addresses share it evenly, then the names behind one address; within a name it is
 * first come, first served, but that who never ran need not wait for the end of who has long run. Owned by the engine loop.
 */
final class ClientShares {
    /** Tokens that a sequence may generate before it gives way to one that never ran. */
    private static final int TURN_TOKENS = 64;

    /** Of a client, or of all clients behind an address. */
    static final class Share {
        private final Share ofAddress; // itself where it is an address's
        private int sequences;
        private int running;
        private long lastPromptStep; // when a prompt of it last got rows

        private Share() {
            this.ofAddress = this;
        }

        private Share(Share ofAddress) {
            this.ofAddress = ofAddress;
        }
    }

    private final Map<ClientId, Share> clients = new HashMap<>(); // those with sequences, as addresses
    private final Map<String, Share> addresses = new HashMap<>();

    /** A sequence has come. */
    void enter(Sequence sequence) {
        ClientId client = sequence.request().client();
        Share address = addresses.computeIfAbsent(client.address(), unknown -> new Share());
        Share share = clients.computeIfAbsent(client, unknown -> new Share(address));
        share.sequences++;
        address.sequences++;
    }

    /** A sequence has ended. */
    void leave(Sequence sequence) {
        ClientId client = sequence.request().client();
        Share share = of(sequence);
        if (--share.sequences == 0) {
            clients.remove(client);
        }
        if (--share.ofAddress.sequences == 0) {
            addresses.remove(client.address());
        }
    }

    /** A sequence runs from now on. */
    void begin(Sequence sequence) {
        Share share = of(sequence);
        share.running++;
        share.ofAddress.running++;
    }

    /** A sequence runs no more. */
    void end(Sequence sequence) {
        Share share = of(sequence);
        share.running--;
        share.ofAddress.running--;
    }

    /** A prompt got rows in this step. */
    void promptServed(Sequence sequence, long step) {
        Share share = of(sequence);
        share.lastPromptStep = step;
        share.ofAddress.lastPromptStep = step;
    }

    private Share of(Sequence sequence) {
        Share share = clients.get(sequence.request().client());
        if (share == null) {
            throw new IllegalStateException("the client of sequence " + sequence.id() + " is not known");
        }
        return share;
    }

    /** Who starts next: of the client that has the least running. None where nobody's reader keeps up. */
    Optional<Sequence> next(List<Sequence> waiting) {
        return next(waiting, false);
    }

    /** Who starts next of those that never ran. */
    Optional<Sequence> nextNewcomer(List<Sequence> waiting) {
        return next(waiting, true);
    }

    private Optional<Sequence> next(List<Sequence> waiting, boolean isNewcomer) {
        Sequence next = null;
        for (Sequence sequence : waiting) {
            if (sequence.stream().isBehind() || (isNewcomer && sequence.hasStarted())) {
                continue;
            }
            if (next == null || byRunning(of(sequence), of(next)) < 0) {
                next = sequence;
            }
            if (clients.size() == 1) {
                break;
            }
        }
        return Optional.ofNullable(next);
    }

    /** Who gives way when blocks run out: the youngest of the client that has the most running, unless transfers touch it. */
    Optional<Sequence> youngestOfLargest(List<Sequence> running) {
        Sequence victim = null;
        for (int i = running.size() - 1; i >= 0; i--) {
            Sequence sequence = running.get(i);
            if (!sequence.isPinned() && (victim == null || byRunning(of(sequence), of(victim)) > 0)) {
                victim = sequence;
            }
        }
        return Optional.ofNullable(victim);
    }

    /** Who gives way to a waiting sequence: somebody of a client that has much more, else somebody who has had its turn. */
    Optional<Sequence> inFavourOf(Sequence waiting, List<Sequence> running) {
        Optional<Sequence> victim = clients.size() == 1 ? Optional.empty() : youngestOfLargest(running);
        return victim.filter(owing -> isOwed(waiting, owing)).or(() -> afterItsTurn(waiting, running));
    }

    /** Two more running at least, so that the one who gives way does not come back at once. */
    private boolean isOwed(Sequence waiting, Sequence victim) {
        Share more = of(victim);
        Share less = of(waiting);
        return more.ofAddress == less.ofAddress
                ? more.running >= less.running + 2
                : more.ofAddress.running >= less.ofAddress.running + 2;
    }

    /** Who has generated most since it started gives way to a newcomer that is no larger, unless its client has less. */
    private Optional<Sequence> afterItsTurn(Sequence waiting, List<Sequence> running) {
        if (waiting.hasStarted()) {
            return Optional.empty();
        }
        Sequence victim = null;
        for (Sequence sequence : running) {
            boolean isLonger = victim == null || sequence.tokensOfTurn() > victim.tokensOfTurn();
            if (isLonger && mayYield(sequence, waiting)) {
                victim = sequence;
            }
        }
        return Optional.ofNullable(victim);
    }

    private boolean mayYield(Sequence sequence, Sequence newcomer) {
        return sequence.state() == SequenceState.DECODING
                && !sequence.isPinned()
                && sequence.hasHadItsTurn(TURN_TOKENS)
                && sequence.tokenCount() >= newcomer.tokenCount()
                && (isSameClient(sequence, newcomer) || byRunning(of(sequence), of(newcomer)) > 0);
    }

    private static int byRunning(Share one, Share other) {
        int byAddress = Integer.compare(one.ofAddress.running, other.ofAddress.running);
        return byAddress != 0 ? byAddress : Integer.compare(one.running, other.running);
    }

    /** Of the prompts under way, one of the client that has waited longest for rows. */
    Optional<Sequence> promptTurn(List<Sequence> running) {
        Sequence turn = null;
        for (Sequence sequence : running) {
            boolean isPrompt = sequence.state() == SequenceState.PREFILLING;
            if (isPrompt && (turn == null || hasWaitedLonger(sequence, turn))) {
                turn = sequence;
            }
        }
        return Optional.ofNullable(turn);
    }

    /** Whether the client of one sequence has waited longer for rows than that of another. */
    boolean hasWaitedLonger(Sequence one, Sequence other) {
        Share a = of(one);
        Share b = of(other);
        int byAddress = Long.compare(a.ofAddress.lastPromptStep, b.ofAddress.lastPromptStep);
        return byAddress != 0 ? byAddress < 0 : a.lastPromptStep < b.lastPromptStep;
    }

    boolean isSameClient(Sequence one, Sequence other) {
        return of(one) == of(other);
    }
}
