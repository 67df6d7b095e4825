package dev.tandem.preflight.script.rule;

import dev.tandem.api.HttpAddress;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.command.Call;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.ProxyStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.shell.Word;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The requests of a script against what its proxy and its nodes serve. */
final class QuestionRules {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final Pattern URL = Pattern.compile("(?:http://)?(\\[[^]]+]|[^/:\\s]+):(\\d{1,5})(/\\S*)?");
    private static final Set<String> BODY = Set.of("-d", "--data", "--data-raw", "--json", "--data-binary");

    private QuestionRules() {}

    static void check(ScriptedDeployment deployment, Findings findings) {
        deployment.questions().forEach(question -> {
            address(question, deployment, findings);
            body(question, deployment, findings);
        });
    }

    private static void address(Call question, ScriptedDeployment deployment, Findings findings) {
        List<ProxyStart> proxies = deployment.proxies();
        if (proxies.isEmpty() || !deployment.isWhole()) {
            return;
        }
        for (Word word : question.arguments()) {
            Matcher url = URL.matcher(word.text());
            if (!url.matches() || question.command().scene().isUnknown(word.text())) {
                continue;
            }
            String host = url.group(1).replaceAll("[\\[\\]]", "");
            int port = Integer.parseInt(url.group(2));
            boolean isProxy = proxies.stream().anyMatch(proxy -> isAt(proxy.listen(), host, port));
            boolean isNode = deployment.nodes().stream()
                    .anyMatch(node -> node.port() == port
                            && node.host().map(own -> own.equals(host)).orElse(true));
            if (!isProxy && !isNode) {
                findings.warning(
                        question.command().at(word.line()),
                        "asks " + host + ":" + port + ", where none of these scripts starts anything",
                        "the gateway of " + proxies.getFirst().location() + " is at "
                                + proxies.getFirst().listen());
            } else if (!isProxy) {
                findings.note(
                        question.command().at(word.line()),
                        "asks the node at " + host + ":" + port + " itself, past the gateway at "
                                + proxies.getFirst().listen());
            }
        }
    }

    private static boolean isAt(HttpAddress listen, String host, int port) {
        return listen.port() == port
                && (listen.host().equals(host) || Hosts.isWildcard(listen.host()) || Hosts.isLoopback(host));
    }

    private static void body(Call question, ScriptedDeployment deployment, Findings findings) {
        List<Word> words = question.arguments();
        for (int i = 0; i + 1 < words.size(); i++) {
            Word body = words.get(i + 1);
            boolean isKnown =
                    !body.text().startsWith("@") && !question.command().scene().isUnknown(body.text());
            if (BODY.contains(words.get(i).text()) && isKnown) {
                model(question, body, deployment, findings);
            }
        }
    }

    private static void model(Call question, Word body, ScriptedDeployment deployment, Findings findings) {
        Optional<String> model;
        try {
            JsonNode name = JSON.readTree(body.text()).path("model");
            model = name.isString() ? Optional.of(name.stringValue()) : Optional.empty();
        } catch (JacksonException e) {
            findings.error(
                    question.command().at(body.line()),
                    "the body is not valid JSON: " + e.getOriginalMessage(),
                    "correct it");
            return;
        }
        var names = new TreeSet<String>();
        deployment.nodes().stream()
                .filter(node -> !node.parallel().isHeadless())
                .forEach(node -> names.addAll(node.flags().model().names()));
        if (model.isPresent() && !names.isEmpty() && !names.contains(model.get()) && deployment.isWhole()) {
            findings.error(
                    question.command().at(body.line()),
                    "asks for the model " + model.get() + ", which no node serves: it gets 404",
                    "ask for " + String.join(" or ", names));
        }
    }
}
