package dev.tandem.ops.verify;

import dev.tandem.api.access.TlsFiles;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import tools.jackson.databind.node.ObjectNode;

/**
 * The question that deployment guides end with, asked thoroughly: a verification asks an address for its health, its models, the guides'
 * question and a chat, and whether prompts really move between nodes with the same tokens, at which speed, and with nothing left behind.
 * The address may be a gateway of ours, a foreign proxy or a single node, ours or vLLM's; what they do not report is shown as not seen.
 *
 * @param target where it is sent
 * @param question what is asked
 * @param nodes that stand behind the target, where it does not tell them
 * @param limits of waits
 */
public record Verification(Target target, Question question, List<ClusterNode> nodes, Limits limits) {
    /** The guides' question. */
    public static final String PROMPT = "Who are you?";

    /**
     * What is asked.
     *
     * @param model served name; empty: the first that the target tells
     * @param credentials for those that ask for them
     * @param prompt of every request
     */
    public record Question(Optional<String> model, Credentials credentials, String prompt) {}

    /**
     * Longest waits.
     *
     * @param request from sending to the end of the answer
     * @param blocks until prefill nodes have their blocks back
     */
    public record Limits(Duration request, Duration blocks) {
        public static final Limits DEFAULT = new Limits(Duration.ofMinutes(2), Duration.ofSeconds(15));
    }

    public Verification {
        nodes = List.copyOf(nodes);
    }

    /** Makes all checks one after another on this thread; a failure of the cluster becomes a row. */
    public Report run(Consumer<Row> seen) throws InterruptedException {
        try (var caller = new Caller(target, question.credentials(), limits.request())) {
            return new VerificationRun(this, caller, seen).run();
        }
    }

    private String certificates() {
        TlsFiles tls = question.credentials().tls();
        if (!target.base().getScheme().equals("https")) {
            return "";
        }
        return tls.authorities().map(file -> " --cacert " + file).orElse("")
                + tls.certificate().map(file -> " --cert " + file).orElse("")
                + tls.key().map(file -> " --key " + file).orElse("");
    }

    /** The command line that repeats the question for a model. */
    public String curl(String model) {
        String key = question.credentials()
                .apiKey()
                .map(k -> " -H 'Authorization: Bearer " + k + "'")
                .orElse("");
        ObjectNode body = new Questions(model, question.prompt()).guide();
        return "curl -s" + certificates() + " " + target + Questions.COMPLETIONS
                + " -H 'Content-Type: application/json'" + key + " -d '"
                + body.toString().replace("'", "'\\''") + "'";
    }
}
