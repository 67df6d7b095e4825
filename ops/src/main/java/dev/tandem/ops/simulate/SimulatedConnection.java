package dev.tandem.ops.simulate;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * One end of a connection between two processes. Messages arrive whole and in order, or not at all; between two connections there is no
 * order. What is a message, and how many bytes it counts for, is the protocol's.
 */
public final class SimulatedConnection {
    /** What is done with one end; called as events of its host. */
    public interface Handler {
        /** Messages may be sent. */
        void opened();

        /** A message of the other end. */
        void received(Object message);

        /** It has ended, whoever ended it; called once at most, and nothing comes behind it. */
        void closed(String reason);
    }

    /** Something under way to the other end: a message, or the connection's end. */
    private record InFlight(long arrivalNs, String what, Runnable arrive) {}

    private final SimulatedNetwork network;
    private final SimulatedHost host;
    private final int life; // of the host, when it was made
    private final String remoteAddress;
    private final String protocol;
    private final ArrayDeque<InFlight> toHere = new ArrayDeque<>();
    private @Nullable SimulatedConnection peer; // none until it is accepted
    private @Nullable Handler handler; // none until it is made
    private boolean isClosed;
    private boolean isSilent;
    private boolean isPeerGone; // and nobody was there to say so
    private long wireFreeNs; // when the last byte sent from here has left
    private long lastArrivalNs; // of what is under way to here

    SimulatedConnection(SimulatedNetwork network, SimulatedHost host, String remoteAddress, String protocol) {
        this.network = network;
        this.host = host;
        this.life = host.life();
        this.remoteAddress = remoteAddress;
        this.protocol = protocol;
    }

    void joinTo(SimulatedConnection other) {
        peer = other;
        other.peer = this;
    }

    void handleBy(Handler made) {
        handler = made;
    }

    /** The host of this end. */
    public SimulatedHost host() {
        return host;
    }

    /** The other end's address. */
    public String remoteAddress() {
        return remoteAddress;
    }

    /** Which protocol is spoken, as faults are counted by. */
    public String protocol() {
        return protocol;
    }

    public boolean isClosed() {
        return isClosed;
    }

    /** Whether it carries nothing any more, without either side being told. */
    public boolean isSilent() {
        return isSilent || isPeerGone;
    }

    /** Sends a message behind those sent before; without effect when the connection has ended. */
    public void send(Object message, long bytes) {
        if (!isClosed) {
            transmit(bytes, " message", () -> peer().arrived(message));
        }
    }

    /** Ends the connection: this end's handler hears of it now, the other one's behind all that was sent. */
    public void close(String reason) {
        if (isClosed) {
            return;
        }
        transmit(0, " end", () -> peer().end("the other side ended it: " + reason));
        end(reason);
    }

    /** When the last byte of what was sent has left this host. */
    public long wireFreeNs() {
        return wireFreeNs;
    }

    private void transmit(long bytes, String what, Runnable arrive) {
        SimulatedConnection to = peer;
        if (to != null && !isSilent) {
            wireFreeNs = Math.max(wireFreeNs, network.time().nowNs()) + network.wireNs(bytes);
            to.expect(what, wireFreeNs - network.time().nowNs() + network.latencyNs(), arrive);
        }
    }

    /** Something is under way to here, behind what already is. */
    void expect(String what, long delayNs, Runnable arrive) {
        long arrivalNs = Math.max(lastArrivalNs, network.time().nowNs() + delayNs);
        lastArrivalNs = arrivalNs;
        toHere.add(new InFlight(arrivalNs, what, arrive));
        if (toHere.size() == 1) {
            expectNext();
        }
    }

    private void expectNext() {
        InFlight next = toHere.peek();
        if (next != null) {
            network.time().at(Math.max(next.arrivalNs(), network.time().nowNs()), () -> arrive(next));
        }
    }

    private void arrive(InFlight next) {
        if (next.equals(toHere.peek())) { // not lost meanwhile
            arrive(next, network.delay(this, protocol + next.what()));
        }
    }

    private void arriveLate(InFlight next) {
        if (next.equals(toHere.peek())) {
            arrive(next, network.obstacle(this));
        }
    }

    private void arrive(InFlight next, long waitNs) {
        if (isSilent) {
            return;
        }
        if (waitNs == Long.MAX_VALUE) {
            toHere.clear(); // its host never comes back
        } else if (waitNs > 0) {
            network.time().at(network.time().nowNs() + waitNs, () -> arriveLate(next));
        } else if (host.isIn(life)) {
            toHere.remove();
            next.arrive().run();
            expectNext();
        } else { // the process has gone, or another life of the host knows nothing of the connection
            toHere.clear();
            if (peer != null) {
                peer().reset("reset by " + host.address());
            }
        }
    }

    private void arrived(Object message) {
        Handler here = handler;
        if (!isClosed && here != null) {
            here.received(message);
        }
    }

    /** Its handler may send. */
    void open() {
        Handler here = handler;
        if (!isClosed && here != null && host.isIn(life)) {
            here.opened();
        }
    }

    /** This end is over; the other one is not told. */
    void end(String reason) {
        if (isClosed) {
            return;
        }
        isClosed = true;
        network.forget(this);
        Handler here = handler;
        if (here != null && host.isIn(life)) {
            here.closed(reason);
        }
    }

    /** Nothing comes through any more, either way. */
    void silence() {
        isSilent = true;
        toHere.clear();
        SimulatedConnection other = peer;
        if (other != null) {
            other.isSilent = true;
            other.toHere.clear();
        }
    }

    /** Both ends hear that it is over, as soon as their hosts get to it. */
    void reset() {
        SimulatedConnection other = peer;
        silence();
        reset("reset");
        if (other != null) {
            other.reset("reset");
        }
    }

    private void reset(String reason) {
        if (host.isIn(life)) {
            host.after(network.latencyNs(), protocol + " reset", () -> end(reason));
        }
    }

    /** The process of this end has gone: the other end hears of it, unless nobody is there to say so. */
    void died(boolean isUntold) {
        isClosed = true;
        network.forget(this);
        SimulatedConnection other = peer;
        if (other != null && isUntold) {
            other.isPeerGone = true;
        } else if (other != null && !isSilent) {
            other.expect(" end", network.latencyNs(), () -> other.end("reset by peer"));
        }
    }

    private SimulatedConnection peer() {
        SimulatedConnection other = peer;
        if (other == null) {
            throw new IllegalStateException("not connected");
        }
        return other;
    }

    @Override
    public String toString() {
        return protocol + " " + host.address() + " to " + remoteAddress;
    }
}
