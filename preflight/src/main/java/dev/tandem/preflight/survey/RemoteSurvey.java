package dev.tandem.preflight.survey;

import dev.tandem.preflight.CheckReport;
import dev.tandem.preflight.CheckedNode;
import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.host.RemoteRun.NodeCommand;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.host.Tool;
import dev.tandem.preflight.host.Tool.Ended;
import dev.tandem.preflight.host.Tool.Outcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The check of another machine, run there through {@code ssh} without questions (BatchMode), under a limit. Stateless; any thread, which
 * waits.
 */
public final class RemoteSurvey {
    private static final int MOST_QUOTED = 500;

    private final Ssh ssh;
    private final List<String> tandem;
    private final Duration limit;

    /**
     * @param ssh program and user
     * @param tandem program on the other machine, with {@code env} and variables in front where some are passed on
     * @param limit for the whole of it
     */
    public RemoteSurvey(Ssh ssh, List<String> tandem, Duration limit) {
        this.ssh = ssh;
        this.tandem = List.copyOf(tandem);
        this.limit = limit;
    }

    /**
     * Runs {@code tandem ARGUMENTS} on a host and reads its findings.
     *
     * @param arguments from {@code check} on, with {@code --json --tables}
     */
    public List<CheckedNode> run(String host, List<String> arguments) throws InterruptedException {
        var remote = new ArrayList<>(tandem);
        remote.addAll(arguments);
        NodeCommand command = ssh.command(host, remote);
        Outcome outcome = Tool.run(command.arguments(), limit);
        if (outcome instanceof Ended ended) {
            Optional<CheckReport> report = CheckReport.read(ended.output());
            if (report.isPresent()) {
                return report.get().nodes();
            }
        }
        String said = outcome.sentence();
        return List.of(new CheckedNode(
                host,
                List.of(new Section(
                        "ssh",
                        List.of(new Finding(
                                Severity.ERROR,
                                "tandem check on " + host,
                                said.length() <= MOST_QUOTED ? said : said.substring(0, MOST_QUOTED) + " …",
                                "try it: " + command + "; --remote-tandem names the program there"))))));
    }
}
