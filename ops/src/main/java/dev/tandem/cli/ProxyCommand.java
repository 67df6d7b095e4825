package dev.tandem.cli;

import dev.tandem.gateway.Gateway;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.proxy.ProxyFlags;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem proxy}: the gateway before prefill and decode nodes, in the foreground. */
final class ProxyCommand implements Verb {
    private static final long POLL_MS = 50;
    private static final Logger LOG = LoggerFactory.getLogger(ProxyCommand.class);

    @Override
    public String summary() {
        return "give clients one address before prefill and decode nodes, with the example proxy's flags";
    }

    @Override
    public CommandSpec spec() {
        return ForeignGrammar.spec(ProxyFlags.table());
    }

    @Override
    public int run(List<String> arguments) throws IOException, InterruptedException {
        Optional<String> help = ForeignGrammar.help(arguments, ProxyFlags.table(), ProxyFlags.help());
        if (help.isPresent()) {
            System.out.print(help.get());
            return Exit.WELL;
        }
        ProxyFlags flags = ProxyFlags.parse(arguments, System.getenv());
        var parent = new ParentProcess(flags.process());
        GatewayConfig config = flags.config();
        parent.watch(config.limits().drainTimeout().plus(Exit.END_LIMIT));
        flags.notes().forEach(LOG::info);
        Gateway gateway = Gateway.start(config);
        Exit.atEnd(gateway::close);
        try {
            awaitNodes(gateway, flags.nodeWait());
        } catch (FlagException e) {
            gateway.close(); // here, where it may take its time
            throw e;
        }
        var report = new LinkedHashMap<String, Object>();
        report.put("role", "gateway");
        report.put("host", config.listen().host());
        report.put("port", gateway.port());
        gateway.metricsPort().ifPresent(port -> report.put("metrics_port", port));
        parent.tellReady(report);
        Thread.currentThread().join();
        return Exit.WELL;
    }

    /** Waits until a node of each role serves; the gateway listens meanwhile and says 503. */
    private static void awaitNodes(Gateway gateway, Duration patience) throws InterruptedException {
        long deadlineNs = System.nanoTime() + patience.toNanos();
        String said = "";
        while (true) {
            List<String> misfits = gateway.misfits();
            if (!misfits.isEmpty()) {
                throw new FlagException(misfits);
            }
            Optional<String> waitsFor = gateway.waitsFor();
            if (waitsFor.isEmpty()) {
                return;
            }
            if (System.nanoTime() > deadlineNs) {
                throw new FlagException("gave up after --node-wait " + patience.toSeconds() + " s " + waitsFor.get());
            }
            if (!said.equals(waitsFor.get())) {
                said = waitsFor.get();
                LOG.info("stage=\"{}\"", said);
            }
            Thread.sleep(POLL_MS);
        }
    }
}
