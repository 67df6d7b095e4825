package dev.tandem.cli;

import dev.tandem.api.access.TlsFiles;
import dev.tandem.api.openai.PlainJson;
import dev.tandem.ops.verify.ClusterNode;
import dev.tandem.ops.verify.Credentials;
import dev.tandem.ops.verify.Report;
import dev.tandem.ops.verify.Row;
import dev.tandem.ops.verify.Row.Status;
import dev.tandem.ops.verify.Target;
import dev.tandem.ops.verify.Verification;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem verify URL}: the verification of the guides, row by row. */
final class VerifyCommand implements Verb {
    private static final int MOST_SECONDS = 86_400;

    @Override
    public String summary() {
        return "verify a running cluster: same tokens, KV really moved, times, nothing left behind";
    }

    private Grammar grammar() {
        return new Grammar("verify", summary())
                .argument(
                        "URL",
                        true,
                        Target.class,
                        Value.of(Target::parse),
                        "a gateway, a proxy or a node: HOST:PORT or http[s]://HOST:PORT")
                .text("--model", "NAME", "served name (default: the first that /v1/models lists)")
                .text("--api-key", "KEY", "sent as bearer, to the nodes too")
                .text("--node-api-key", "KEY", "sent to the nodes instead")
                .option("--ssl-ca-certs", "FILE", Path.class, Path::of, "CA certificates, PEM (default: Java's own)")
                .option("--ssl-certfile", "FILE", Path.class, Path::of, "certificate to show, PEM")
                .option("--ssl-keyfile", "FILE", Path.class, Path::of, "its private key (default: in --ssl-certfile)")
                .text("--prompt", "TEXT", "the question (default: " + Verification.PROMPT + ")")
                .list(
                        "--nodes",
                        "HOST:PORT",
                        "nodes behind a proxy that does not list them: HOST:PORT, prefill=HOST:PORT or decode=HOST:PORT")
                .option(
                        "--deadline",
                        "SECONDS",
                        Duration.class,
                        Value.wholeSeconds(MOST_SECONDS),
                        "longest wait for one answer (default 120)")
                .flag("--json", "one JSON object per line instead of text")
                .footer("""
                        Each row is OK, FAILED or NOT SEEN (with the reason). Exit status: 0 nothing failed, 1 something failed,
                        2 invalid arguments.
                        """);
    }

    @Override
    public CommandSpec spec() {
        return grammar().spec();
    }

    @Override
    public int run(List<String> arguments) throws InterruptedException {
        VerbArguments read = grammar().read(arguments);
        if (read.isHelpAsked()) {
            System.out.print(grammar().help());
            return Exit.WELL;
        }
        List<ClusterNode> nodes = read.values("--nodes", ClusterNode::parse);
        read.refuseProblems();
        boolean isJson = read.has("--json");
        Report report = verification(read, nodes).run(row -> show(row, isJson));
        if (isJson) {
            var summary = new LinkedHashMap<String, Object>();
            summary.put("event", "verified");
            summary.put("well", report.isWell());
            for (Status status : Status.values()) {
                summary.put(status.name().toLowerCase(Locale.ROOT), report.count(status));
            }
            System.out.println(PlainJson.tree(summary));
        } else {
            System.out.println(report.count(Status.OK) + " OK, " + report.count(Status.FAILED) + " failed, "
                    + report.count(Status.NOT_SEEN) + " not seen");
        }
        return report.isWell() ? Exit.WELL : Exit.FAILED;
    }

    private static void show(Row row, boolean isJson) {
        System.out.println(isJson ? PlainJson.tree(row.toMap()).toString() : row.line());
    }

    private static Verification verification(VerbArguments read, List<ClusterNode> nodes) {
        Verification.Limits usual = Verification.Limits.DEFAULT;
        return new Verification(
                read.argument(0, Target.class).orElseThrow(),
                new Verification.Question(
                        read.value("--model", String.class),
                        new Credentials(
                                read.value("--api-key", String.class),
                                read.value("--node-api-key", String.class),
                                new TlsFiles(
                                        read.value("--ssl-keyfile", Path.class),
                                        read.value("--ssl-certfile", Path.class),
                                        read.value("--ssl-ca-certs", Path.class))),
                        read.value("--prompt", String.class).orElse(Verification.PROMPT)),
                nodes,
                read.value("--deadline", Duration.class)
                        .map(deadline -> new Verification.Limits(deadline, usual.blocks()))
                        .orElse(usual));
    }
}
