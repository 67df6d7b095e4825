package dev.tandem.preflight.survey;

import dev.tandem.preflight.deployment.PlannedDeployment;
import dev.tandem.preflight.host.HostBarrier.Participants;
import dev.tandem.preflight.machine.SystemFiles;
import dev.tandem.preflight.npu.NpuPlan;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * What one node is to look at.
 *
 * @param files of its system
 * @param npu its devices, where it has some
 * @param deployment what is to run
 * @param peers whom it meets, if anybody
 */
public record SurveyPlan(
        SystemFiles files, Optional<NpuPlan> npu, PlannedDeployment deployment, Optional<Peers> peers) {

    /**
     * Whom a node meets.
     *
     * @param participants addresses and place
     * @param limit how long it waits for the others, and for each round
     * @param deviceAddresses from a rank table, by node and device; empty: peers tell their own
     */
    public record Peers(Participants participants, Duration limit, Map<String, Map<Integer, String>> deviceAddresses) {
        public Peers {
            deviceAddresses = Map.copyOf(deviceAddresses);
        }

        /** This node's address. */
        public String own() {
            return participants.addresses().get(participants.index());
        }
    }
}
