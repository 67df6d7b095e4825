package dev.tandem.preflight.survey;

import dev.tandem.preflight.deployment.PlannedNode;
import dev.tandem.preflight.deployment.PlannedPort;
import dev.tandem.preflight.host.Meeting.Seats;
import dev.tandem.preflight.machine.SystemFiles;
import dev.tandem.preflight.npu.NpuPlan;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What one node is to look at.
 *
 * @param files of its system
 * @param npu its devices, where it has some
 * @param deployment what is to run
 * @param peers whom it meets, if anybody
 */
public record SurveyPlan(SystemFiles files, Optional<NpuPlan> npu, Deployment deployment, Optional<Peers> peers) {

    /**
     * What is to run.
     *
     * @param nodes all of the deployment; those that are here are looked at
     * @param ports all of the deployment, of every host
     * @param hostsHere those of their hosts that are this machine
     */
    public record Deployment(List<PlannedNode> nodes, List<PlannedPort> ports, Set<String> hostsHere) {
        /** Nothing is known of what will run. */
        public static final Deployment NONE = new Deployment(List.of(), List.of(), Set.of());

        public Deployment {
            nodes = List.copyOf(nodes);
            ports = List.copyOf(ports);
            hostsHere = Set.copyOf(hostsHere);
        }
    }

    /**
     * Whom a node meets.
     *
     * @param seats addresses and place
     * @param limit how long it waits for the others, and for each round
     * @param deviceAddresses from a rank table, by node and device; empty: peers tell their own
     */
    public record Peers(Seats seats, Duration limit, Map<String, Map<Integer, String>> deviceAddresses) {
        public Peers {
            deviceAddresses = Map.copyOf(deviceAddresses);
        }

        /** This node's address. */
        public String own() {
            return seats.addresses().get(seats.index());
        }
    }
}
