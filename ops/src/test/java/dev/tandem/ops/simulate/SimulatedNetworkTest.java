package dev.tandem.ops.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.ops.simulate.Faults.Kind;
import dev.tandem.ops.simulate.SimulatedNetwork.Link;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SimulatedNetworkTest {
    private static final long MS = 1_000_000;
    private static final long HOUR = 3_600_000 * MS;
    private static final int PORT = 5000;

    private final List<String> seen = new ArrayList<>();
    private final List<String> trace = new ArrayList<>();

    private SimulatedNetwork network(Faults faults, long seed) {
        return new SimulatedNetwork(
                new SplittableRandom(seed), faults, new Link(MS / 10, MS / 10, 1_000_000), trace::add);
    }

    /** Writes down what an end hears; sends some messages when it may. */
    private SimulatedConnection.Handler witness(String name, SimulatedConnection connection, int messages) {
        return new SimulatedConnection.Handler() {
            @Override
            public void opened() {
                for (int i = 0; i < messages; i++) {
                    connection.send(name + i, 100);
                }
            }

            @Override
            public void received(Object message) {
                seen.add(name + " got " + message);
            }

            @Override
            public void closed(String reason) {
                seen.add(name + " closed: " + reason);
            }
        };
    }

    private SimulatedHost server(SimulatedNetwork network) {
        return network.host("server", host -> network.listen(host, PORT, connection -> witness("s", connection, 0)));
    }

    private SimulatedConnection connect(SimulatedNetwork network, SimulatedHost from, int messages) {
        return network.connect(from, "server", PORT, "talk", connection -> witness("c", connection, messages));
    }

    @Test
    void shouldDeliverInOrderAndThenTheEnd() {
        SimulatedNetwork network = network(Faults.none(), 1);
        server(network);
        SimulatedConnection connection = connect(network, network.steadyHost("client"), 3);
        network.time().runUntil(100 * MS);
        connection.close("done");
        network.time().runUntil(200 * MS);

        assertThat(seen)
                .containsExactly(
                        "s got c0",
                        "s got c1",
                        "s got c2",
                        "c closed: done",
                        "s closed: the other side ended it: done");
    }

    @Test
    void shouldRefuseAConnectionWhereNobodyListens() {
        SimulatedNetwork network = network(Faults.none(), 1);
        network.host("server", host -> {});
        connect(network, network.steadyHost("client"), 1);
        network.time().runUntil(100 * MS);

        assertThat(seen).containsExactly("c closed: connection refused");
    }

    @Test
    void shouldHoldBackWhatAHostGetsWhileItHangs() {
        SimulatedNetwork network = network(Faults.none(), 1);
        SimulatedHost server = server(network);
        connect(network, network.steadyHost("client"), 1);
        server.after(0, "test", () -> seen.add("timer before"));
        network.time().at(MS / 100, () -> server.hang(1000 * MS));
        server.after(10 * MS, "test", () -> seen.add("timer"));
        network.time().runUntil(999 * MS);
        assertThat(seen).containsExactly("timer before");

        network.time().runUntil(2000 * MS);
        assertThat(seen).contains("timer", "s got c0");
    }

    @Test
    void shouldHoldBackMessagesBetweenHostsThatAreCutOff() {
        SimulatedNetwork network = network(Faults.none(), 1);
        server(network);
        SimulatedConnection connection = connect(network, network.steadyHost("client"), 0);
        network.time().runUntil(100 * MS);
        network.cut("server", "client", 1000 * MS);
        connection.send("late", 1);
        network.time().runUntil(1000 * MS);
        assertThat(seen).isEmpty();

        network.time().runUntil(1200 * MS);
        assertThat(seen).containsExactly("s got late");
    }

    @Test
    void shouldResetTheConnectionsOfAProcessThatEnds() {
        SimulatedNetwork network = network(Faults.none(), 1);
        SimulatedHost server = server(network);
        connect(network, network.steadyHost("client"), 1);
        network.time().runUntil(100 * MS);
        server.after(10 * MS, "test", () -> seen.add("never"));
        server.crash(1000 * MS, false);
        network.time().runUntil(200 * MS);

        assertThat(seen).containsExactly("s got c0", "c closed: reset by peer");
    }

    @Test
    void shouldTellOfAMachineThatWentSilentlyWhenItIsBack() {
        SimulatedNetwork network = network(Faults.none(), 1);
        SimulatedHost server = server(network);
        SimulatedConnection connection = connect(network, network.steadyHost("client"), 0);
        network.time().runUntil(100 * MS);
        server.crash(1000 * MS, true);
        connection.send("lost", 1);
        network.time().runUntil(900 * MS);
        assertThat(seen).isEmpty();

        network.time().runUntil(2000 * MS);
        assertThat(seen).containsExactly("c closed: reset by server");
        assertThat(server.life()).isEqualTo(2);
    }

    @Test
    void shouldRunTheSameWayAgain() {
        assertThat(story(7)).isEqualTo(story(7)).isNotEqualTo(story(8));
    }

    private List<String> story(long seed) {
        seen.clear();
        trace.clear();
        var random = new SplittableRandom(seed);
        SimulatedNetwork network = network(new Faults(random, 0.1, EnumSet.allOf(Kind.class), HOUR), random.nextLong());
        server(network);
        SimulatedHost client = network.host("client", host -> {});
        for (int i = 0; i < 20; i++) {
            client.after(i * 1000 * MS, "test", () -> connect(network, client, 10));
        }
        network.time().runUntil(2 * HOUR);
        assertThat(network.faults().counts()).isNotEmpty();
        var story = new ArrayList<>(trace);
        story.addAll(seen);
        return story;
    }

    @Test
    void shouldNeverAskForThePast() {
        var time = new VirtualTime();
        time.runUntil(10);

        assertThatThrownBy(() -> time.at(9, () -> {})).hasMessageContaining("an event for 9 ns, but it is 10 ns");
    }

    @Test
    void shouldOrderEventsByTimeThenByOrderOfScheduling() {
        var time = new VirtualTime();
        time.at(5, () -> seen.add("b"));
        time.at(5, () -> seen.add("c"));
        time.at(1, () -> seen.add("a"));
        time.at(5, () -> seen.add("never")).cancel();
        time.runUntil(5);

        assertThat(seen).containsExactly("a", "b", "c");
        assertThat(time.nowNs()).isEqualTo(5);
    }
}
