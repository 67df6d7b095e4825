package dev.tandem.ops.simulate;

import dev.tandem.ops.simulate.VirtualTime.Event;
import java.util.function.Consumer;

/**
 * One machine with one process on it. Whatever the process does is an event of its present life: when it hangs, its events wait; when it
 * crashes, they never happen. Its clock is its own: it goes as fast as any, but begins anywhere.
 */
public final class SimulatedHost {
    private final SimulatedNetwork network;
    private final String address;
    private final boolean isSteady;
    private final Consumer<SimulatedHost> boot;
    private int life;
    private boolean isUp;
    private boolean isGone; // while it is down: the machine too
    private long hungUntilNs;
    private long upAgainNs = Long.MAX_VALUE; // while it is down
    private long clockNs; // what its clock shows at the beginning of time

    SimulatedHost(SimulatedNetwork network, String address, boolean isSteady, Consumer<SimulatedHost> boot) {
        this.network = network;
        this.address = address;
        this.isSteady = isSteady;
        this.boot = boot;
    }

    public String address() {
        return address;
    }

    /** How often it was started. */
    public int life() {
        return life;
    }

    public boolean isUp() {
        return isUp;
    }

    /** No fault of its own comes over it, only those of the network. */
    public boolean isSteady() {
        return isSteady;
    }

    public SimulatedNetwork network() {
        return network;
    }

    /** Its own clock. */
    public long nowNs() {
        return network.time().nowNs() + clockNs;
    }

    /**
     * Something that its process will do, in this life.
     *
     * @param point what is waited for, as faults are counted by
     * @param action not called when the host crashes before
     */
    public Event after(long delayNs, String point, Runnable action) {
        int begun = life;
        return network.time().at(network.time().nowNs() + delayNs, () -> happen(begun, point, action));
    }

    /** The same at a time of its own clock; one that is over means now. */
    public Event at(long atNs, String point, Runnable action) {
        return after(Math.max(0, atNs - nowNs()), point, action);
    }

    private void happen(int begun, String point, Runnable action) {
        if (!isIn(begun)) {
            return;
        }
        long waitNs = network.delay(this, point);
        if (!isIn(begun)) {
            return; // crashed right here
        }
        if (waitNs > 0) {
            network.time().at(network.time().nowNs() + waitNs, () -> happenLate(begun, action));
        } else {
            action.run();
        }
    }

    private void happenLate(int begun, Runnable action) {
        if (!isIn(begun)) {
            return;
        }
        if (hungUntilNs > network.time().nowNs()) {
            network.time().at(hungUntilNs, () -> happenLate(begun, action));
        } else {
            action.run();
        }
    }

    /** Whether it is up and in this life. */
    boolean isIn(int begun) {
        return isUp && life == begun;
    }

    /** The first start. */
    void start() {
        life++;
        isUp = true;
        hungUntilNs = 0;
        upAgainNs = Long.MAX_VALUE;
        clockNs = network.drawClock();
        network.trace(address, "starts, life " + life);
        boot.accept(this);
    }

    /** Everything that it does waits so long. */
    public void hang(long durationNs) {
        network.trace(address, "hangs for " + durationNs / 1_000_000 + " ms");
        hungUntilNs = Math.max(hungUntilNs, network.time().nowNs() + durationNs);
    }

    /** When it goes on; the past when it does not hang. */
    public long hungUntilNs() {
        return hungUntilNs;
    }

    /** While it is down: nobody is there who refuses a connection or ends one. */
    boolean isGone() {
        return isGone;
    }

    /** When it is up again, while it is down; never is {@link Long#MAX_VALUE}. */
    long upAgainNs() {
        return upAgainNs;
    }

    /**
     * Its process ends at once.
     *
     * @param downNs how long until it starts again; {@link Long#MAX_VALUE} for never
     * @param isSilent the machine has gone too: peers are not told before it is back
     */
    public void crash(long downNs, boolean isSilent) {
        if (!isUp) {
            throw new IllegalStateException(address + " is down already");
        }
        network.trace(address, "crashes" + (isSilent ? " silently" : "") + " for " + downNs / 1_000_000 + " ms");
        isUp = false;
        isGone = isSilent;
        network.died(this);
        if (downNs != Long.MAX_VALUE) {
            upAgainNs = network.time().nowNs() + downNs;
            network.time().at(upAgainNs, this::start);
        }
    }

    @Override
    public String toString() {
        return address;
    }
}
