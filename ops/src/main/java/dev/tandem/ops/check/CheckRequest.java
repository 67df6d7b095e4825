package dev.tandem.ops.check;

import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.npu.DeviceRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What a check of machines is asked to look at.
 *
 * @param topology path of a topology file, as it was given
 * @param serve arguments of {@code serve} for a node of this machine; empty: no such node
 * @param ports to try between the nodes beside those of the topology
 * @param devices of this machine
 * @param peers which nodes meet; empty: this machine is looked at alone
 */
public record CheckRequest(
        Optional<String> topology,
        List<String> serve,
        List<Integer> ports,
        DeviceRequest devices,
        Optional<Peers> peers) {
    public CheckRequest {
        serve = List.copyOf(serve);
        ports = List.copyOf(ports);
    }

    /**
     * Nodes that meet.
     *
     * @param addresses of all nodes, the first being where they meet; none: those of the topology
     * @param localIp which of them this process is, where the machine has several
     * @param meetPort port of the first address
     * @param limit for the wait for the others, and for each round of measuring
     * @param rankTable file whose device addresses are pinged instead of those that the peers report
     * @param remote how the other machines' checks are started; empty: somebody starts them there
     */
    public record Peers(
            List<String> addresses,
            Optional<String> localIp,
            int meetPort,
            Duration limit,
            Optional<Path> rankTable,
            Optional<Remote> remote) {
        public Peers {
            addresses = List.copyOf(addresses);
        }
    }

    /**
     * How the checks of other machines are started.
     *
     * @param ssh program and user
     * @param program {@code tandem} on the other machines
     * @param arguments of this call that the other machines' checks need too, besides the topology and the peers
     */
    public record Remote(Ssh ssh, String program, List<String> arguments) {
        public Remote {
            arguments = List.copyOf(arguments);
        }
    }
}
