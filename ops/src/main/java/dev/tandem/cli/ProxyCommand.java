package dev.tandem.cli;

import dev.tandem.gateway.Gateway;
import dev.tandem.gateway.GatewayConfig;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/** {@code tandem proxy}: the gateway before prefill and decode nodes, in the foreground. */
final class ProxyCommand implements Main.Verb {
    @Override
    public String summary() {
        return "give clients one address before prefill and decode nodes, with the example proxy's flags";
    }

    @Override
    public int run(List<String> all) throws IOException, InterruptedException {
        if (all.contains("--help") || all.contains("-h")) {
            System.out.print(ProxyFlags.usage());
            return Exit.WELL;
        }
        ProcessOptions options = ProcessOptions.of(all);
        options.watchParent();
        GatewayConfig config = ProxyFlags.parse(options.words());
        Gateway gateway = Gateway.start(config);
        Runtime.getRuntime().addShutdownHook(new Thread(gateway::close, "gateway-close"));
        options.ready(Map.of("role", "gateway", "host", config.listen().host(), "port", gateway.port()));
        Thread.currentThread().join();
        return Exit.WELL;
    }
}
