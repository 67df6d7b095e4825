package dev.tandem.ops.verify;

import dev.tandem.ops.verify.DisaggregationCheck.Grown;
import dev.tandem.ops.verify.Row.Check;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** One verification on its way through the checks. Used by one thread. */
final class VerificationRun {
    private static final Completion NO_ANSWER = new Completion(
            new Completion.Output("", List.of()),
            Optional.of("nothing was asked"),
            new Completion.Times(List.of(), 0),
            JsonNodeFactory.instance.objectNode(),
            Optional.empty());

    private final Verification verification;
    private final Target target;
    private final Caller caller;
    private final Consumer<Row> seen;
    private final List<Row> rows = new ArrayList<>();

    VerificationRun(Verification verification, Caller caller, Consumer<Row> seen) {
        this.verification = verification;
        this.target = verification.target();
        this.caller = caller;
        this.seen = seen;
    }

    /** A model's name and longest sequence, as the models page tells them. */
    private record Model(String name, OptionalInt maxLength) {}

    Report run() throws InterruptedException {
        Reply health = caller.get(target, "/health");
        Reply healthcheck = caller.get(target, "/healthcheck");
        add(HealthCheck.judge(health, healthcheck));
        if (!HealthCheck.isReached(health, healthcheck)) {
            return unreached("nobody answers at " + target, NO_ANSWER);
        }
        ClusterView view = ClusterView.of(caller, target, verification.nodes(), healthcheck);
        Map<ClusterNode, MetricsSample> before = samples(view.nodes());
        Optional<Model> model = model(view);
        if (model.isEmpty()) {
            add(Row.failed(Check.STREAM, "there is no name to ask for; give one with --model"));
            return unreached("there is no name to ask for", NO_ANSWER);
        }
        var questions =
                new Questions(model.get().name(), verification.question().prompt());
        Completion streamed = stream(questions);
        add(completion(questions, streamed));
        add(chat(questions));
        TimesCheck.judge(streamed).forEach(this::add);
        handoff(questions.unique("[" + UUID.randomUUID() + "]", model.get().maxLength()), view);
        var lenders = new LinkedHashMap<>(before);
        lenders.keySet().retainAll(view.lending());
        add(new BlocksCheck(lenders)
                .await(caller, verification.limits().blocks().toNanos()));
        return new Report(rows, streamed);
    }

    private void add(Row row) {
        rows.add(row);
        seen.accept(row);
    }

    /** Marks the checks that were not reached as not seen. */
    private Report unreached(String reason, Completion answer) {
        for (Check check : Check.values()) {
            if (rows.stream().noneMatch(row -> row.check() == check)) {
                add(Row.notSeen(check, reason));
            }
        }
        return new Report(rows, answer);
    }

    private Map<ClusterNode, MetricsSample> samples(List<ClusterNode> nodes) throws InterruptedException {
        var samples = new LinkedHashMap<ClusterNode, MetricsSample>();
        for (ClusterNode node : nodes) {
            samples.put(node, ClusterView.sample(caller, node.target()));
        }
        return samples;
    }

    /** The models page of the target, else of a node; a proxy of vllm-ascend v0.11 has none. */
    private Optional<Model> model(ClusterView view) throws InterruptedException {
        Reply page = caller.get(target, "/v1/models");
        String source = "";
        for (ClusterNode node : view.nodes()) {
            if (page.isUnknownPage()) {
                page = caller.get(node.target(), "/v1/models");
                source = ", says the " + node;
            }
        }
        Optional<String> asked = verification.question().model();
        if (!page.isOk()) {
            add(
                    page.isUnknownPage()
                            ? Row.notSeen(Check.MODELS, "/v1/models is not there")
                            : Row.failed(Check.MODELS, "/v1/models: " + page.complaint()));
            return asked.map(name -> new Model(name, OptionalInt.empty()));
        }
        var models = new ArrayList<Model>();
        for (JsonNode card : page.json().path("data")) {
            int length = card.path("max_model_len").asInt(0);
            models.add(
                    new Model(card.path("id").asString(""), length > 0 ? OptionalInt.of(length) : OptionalInt.empty()));
        }
        List<String> names = models.stream().map(Model::name).toList();
        Optional<Model> chosen = models.stream()
                .filter(model -> asked.isEmpty() || asked.get().equals(model.name()))
                .findFirst();
        if (chosen.isEmpty()) {
            add(Row.failed(
                    Check.MODELS,
                    asked.map(name -> name + " is not among the served names " + names)
                            .orElse("/v1/models lists none")));
            return asked.map(name -> new Model(name, OptionalInt.empty()));
        }
        OptionalInt length = chosen.get().maxLength();
        add(Row.ok(
                Check.MODELS,
                String.join(", ", names)
                        + (length.isPresent() ? "; at most " + length.getAsInt() + " tokens" : "")
                        + source,
                Map.of("names", names)));
        return chosen;
    }

    private Completion stream(Questions questions) throws InterruptedException {
        Completion answer =
                CompletionReader.streamed(caller.post(target, Questions.COMPLETIONS, questions.guideStreamed()));
        add(answer.problem()
                .map(problem -> Row.failed(Check.STREAM, problem))
                .orElseGet(() -> Row.ok(
                        Check.STREAM,
                        figure(answer),
                        Map.of("answer", answer.output().text()))));
        return answer;
    }

    private Row completion(Questions questions, Completion streamed) throws InterruptedException {
        Completion whole = CompletionReader.whole(caller.post(target, Questions.COMPLETIONS, questions.guide()));
        if (whole.problem().isPresent()) {
            return Row.failed(Check.COMPLETION, whole.problem().get());
        }
        String text = whole.output().text();
        if (streamed.problem().isEmpty() && !text.equals(streamed.output().text())) {
            return Row.failed(
                    Check.COMPLETION,
                    "its text differs from the streamed one: \"" + text + "\", not \""
                            + streamed.output().text() + "\"");
        }
        return Row.ok(
                Check.COMPLETION,
                figure(whole) + (streamed.problem().isEmpty() ? ", the same text" : ""),
                Map.of("answer", text));
    }

    private static String figure(Completion answer) {
        return answer.completionTokens() + " tokens in "
                + String.format(Locale.ROOT, "%.1f ms", answer.times().totalNs() / 1e6);
    }

    /** A model without a template, and a proxy without the page, is nothing that could be fixed here. */
    private Row chat(Questions questions) throws InterruptedException {
        Reply reply = caller.post(target, Questions.CHAT, questions.chat());
        boolean hasNoTemplate = reply.status() >= 400
                && reply.text().toLowerCase(Locale.ROOT).replace('_', ' ').contains("chat template");
        if (hasNoTemplate) {
            return Row.notSeen(Check.CHAT, "the model has no chat template");
        }
        if (reply.isUnknownPage()) {
            return Row.notSeen(Check.CHAT, Questions.CHAT + ": " + reply.complaint());
        }
        Completion answer = CompletionReader.streamed(reply);
        if (answer.problem().isPresent()) {
            return Row.failed(Check.CHAT, answer.problem().get());
        }
        return Row.ok(
                Check.CHAT,
                figure(answer) + " in " + answer.times().tokenNs().size() + " events",
                Map.of("answer", answer.output().text()));
    }

    /** One prompt that nobody has seen before, through the target, then by one node alone. */
    private void handoff(ObjectNode question, ClusterView view) throws InterruptedException {
        Map<ClusterNode, MetricsSample> before = samples(view.nodes());
        Completion answer = CompletionReader.whole(caller.post(target, Questions.COMPLETIONS, question));
        if (answer.problem().isPresent()) {
            String problem = "a prompt that no cache has was not answered: "
                    + answer.problem().get();
            add(Row.failed(Check.DISAGGREGATION, problem));
            add(Row.notSeen(Check.TOKENS, problem));
            return;
        }
        if (view.isNode()) {
            add(Row.notSeen(Check.DISAGGREGATION, "the address is a node itself, which was asked for all of it"));
        } else {
            var prefill = new ArrayList<Grown>();
            var decode = new ArrayList<Grown>();
            for (ClusterNode node : view.nodes()) {
                var grown = new Grown(
                        before.getOrDefault(node, MetricsSample.NONE), ClusterView.sample(caller, node.target()));
                (node.isPrefill() ? prefill : decode).add(grown);
            }
            add(new DisaggregationCheck(answer, view.path(), prefill, decode).judge());
        }
        add(new TokensCheck(question, answer).judge(caller, view));
    }
}
