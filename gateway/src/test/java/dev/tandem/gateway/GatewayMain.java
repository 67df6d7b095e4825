package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import java.util.List;
import java.util.stream.Stream;

/**
 * Runs a gateway in the foreground, for measurements without the command line: {@code GatewayMain PORT EVENT_LOOPS P_PORTS D_PORTS} with
 * comma separated ports of nodes on 127.0.0.1.
 */
final class GatewayMain {
    private GatewayMain() {}

    public static void main(String[] arguments) throws InterruptedException {
        List<Integer> prefill = ports(arguments[2]);
        List<Integer> decode = ports(arguments[3]);
        NodeLists nodes = new NodeLists(hosts(prefill), prefill, hosts(decode), decode);
        GatewayLimits limits = new GatewayLimits(
                Integer.parseInt(arguments[1]),
                GatewayLimits.DEFAULT.maxBodyBytes(),
                GatewayLimits.DEFAULT.maxConcurrentRequests(),
                GatewayLimits.DEFAULT.legs(),
                GatewayLimits.DEFAULT.drainTimeout());
        GatewayConfig config = new GatewayConfig(
                new HttpAddress("127.0.0.1", Integer.parseInt(arguments[0])),
                nodes,
                RetrySettings.DEFAULT,
                GatewayPolicies.DEFAULT,
                limits);
        try (Gateway gateway = Gateway.start(config)) {
            System.out.println("listening on " + gateway.port());
            Thread.currentThread().join();
        }
    }

    private static List<Integer> ports(String list) {
        return Stream.of(list.split(",")).map(Integer::valueOf).toList();
    }

    private static List<String> hosts(List<Integer> ports) {
        return ports.stream().map(port -> "127.0.0.1").toList();
    }
}
