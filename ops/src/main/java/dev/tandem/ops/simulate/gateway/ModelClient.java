package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.StrictJson;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.sse.SseReader;
import dev.tandem.gateway.fleet.HandoffKind;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** One client with one request, which knows what the answer must be. */
final class ModelClient implements ReplyListener {
    private static final int MOST_EVENT_BYTES = 1 << 20;
    private static final String DISAGGREGATED = "x-tandem-disaggregated";
    private static final String NOT_BECAUSE = "false; reason=";
    private static final Set<NodeRuns.Origin> WITHOUT_PREFILL =
            EnumSet.complementOf(EnumSet.of(NodeRuns.Origin.HANDED_OFF, NodeRuns.Origin.LOCAL));

    /**
     * What it asks for and how it behaves.
     *
     * @param number its own; prompts are named after it
     * @param leavesNs when it leaves without an answer; negative for never
     * @param restsNs how long it reads nothing whenever it rests
     * @param borrowsId whether it calls its request as others do
     * @param restShare share of the pieces after which it rests
     */
    record Plan(int number, long atNs, Ask ask, long leavesNs, long restsNs, boolean borrowsId, double restShare) {}

    /**
     * What it asks for.
     *
     * @param prompts how many
     * @param choices of each prompt
     * @param tokens of each choice
     * @param streams whether as events
     */
    record Ask(int prompts, int choices, int tokens, boolean streams) {}

    /** How it went. */
    enum Outcome {
        /** It has not ended. */
        NONE,
        /** Everything that was asked for came. */
        ANSWERED,
        /** An error was told, with a status. */
        REFUSED,
        /** An error was told inside a stream. */
        BROKEN_OFF,
        /** The client has left. */
        LEFT,
        /** The connection ended without an answer. */
        CUT
    }

    private final Plan plan;
    private final SimulatedHttp http;
    private final Prompts prompts;
    private final NodeRuns runs;
    private final Consumer<String> violations;
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();
    private final SseReader reader = new SseReader(MOST_EVENT_BYTES, this::event);
    private final Map<Integer, StringBuilder> texts = new LinkedHashMap<>();
    private final List<NodeRuns.Origin> origins = new ArrayList<>();
    private @Nullable SimulatedUpstream upstream;
    private @Nullable ReplyHead head;
    private Outcome outcome = Outcome.NONE;
    private String detail = "";
    private boolean isStream;
    private int endings; // choices that were told to be complete
    private boolean hasError;
    private boolean isDone;

    ModelClient(Plan plan, SimulatedHttp http, Prompts prompts, NodeRuns runs, Consumer<String> violations) {
        this.plan = plan;
        this.http = http;
        this.prompts = prompts;
        this.runs = runs;
        this.violations = violations;
    }

    void start(HttpAddress gateway) {
        byte[] request = request().getBytes(StandardCharsets.UTF_8);
        HttpCall call = HttpCall.postJson(gateway, "/v1/completions", request).withHeader("X-Request-Id", id());
        upstream = (SimulatedUpstream) http.startOnLoop(call, this);
        if (plan.leavesNs() >= 0) {
            http.host().after(plan.leavesNs(), "client leaves", this::leave);
        }
    }

    /** What it calls its request, on every hop. */
    String id() {
        return plan.borrowsId() ? "shared" : "r" + plan.number();
    }

    Outcome outcome() {
        return outcome;
    }

    boolean isUnderWay() {
        return outcome == Outcome.NONE;
    }

    Plan plan() {
        return plan;
    }

    /** What happened, for traces. */
    String detail() {
        return detail;
    }

    /** Nothing comes through its connection any more, and nobody says so. */
    boolean isLost() {
        SimulatedUpstream current = upstream;
        return current != null && current.isLost();
    }

    private String request() {
        List<String> asked = new ArrayList<>();
        for (int i = 0; i < plan.ask().prompts(); i++) {
            asked.add(prompts.json(plan.number(), i));
        }
        return "{\"model\":\"m\",\"prompt\":"
                + (asked.size() == 1 ? asked.getFirst() : "[" + String.join(",", asked) + "]")
                + ",\"max_tokens\":" + plan.ask().tokens() + ",\"seed\":" + plan.number()
                + (plan.ask().choices() == 1 ? "" : ",\"n\":" + plan.ask().choices())
                + (plan.ask().streams() ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "")
                + "}";
    }

    private void leave() {
        SimulatedUpstream current = upstream;
        if (outcome == Outcome.NONE && current != null) {
            ended(Outcome.LEFT, "");
            current.cancel();
        }
    }

    @Override
    public void head(ReplyHead arrived) {
        head = arrived;
        isStream = arrived.header("Content-Type").orElse("").startsWith("text/event-stream");
    }

    @Override
    public void chunk(byte[] bytes) {
        if (isStream) {
            reader.feed(bytes);
        } else {
            body.writeBytes(bytes);
        }
        SimulatedUpstream current = upstream;
        if (current != null && plan.restShare() > 0 && runs.chance() < plan.restShare()) {
            current.pause();
            http.host().after(plan.restsNs(), "client reads", current::resume);
        }
    }

    private void event(String data) {
        if (data.equals("[DONE]")) {
            isDone = true;
            return;
        }
        if (isDone) {
            violation("an event behind [DONE]: " + data);
        }
        ObjectNode event = parsed(data.getBytes(StandardCharsets.UTF_8));
        hasError |= event.has("error");
        event.path("choices").forEach(this::choice);
    }

    private void choice(JsonNode choice) {
        texts.computeIfAbsent(choice.path("index").asInt(-1), unseen -> new StringBuilder())
                .append(choice.path("text").asString(""));
        if (choice.path("finish_reason").isString()) {
            endings++;
            NodeRuns.Origin origin = runs.origin(choice.path("stop_reason").asInt(-1));
            if (!origins.contains(origin)) {
                origins.add(origin);
            }
        }
    }

    private String text() {
        return body.toString(StandardCharsets.UTF_8);
    }

    private ObjectNode parsed(byte[] json) {
        try {
            return StrictJson.object(json);
        } catch (ApiError e) {
            violation("not JSON: " + new String(json, StandardCharsets.UTF_8));
            return StrictJson.object("{}".getBytes(StandardCharsets.UTF_8));
        }
    }

    @Override
    public void end() {
        ReplyHead known = head;
        if (known == null) {
            violation("an answer without a head");
            return;
        }
        if (known.status() >= 400) {
            if (!parsed(body.toByteArray()).has("error")) {
                violation("status " + known.status() + " without an error: " + text());
            }
            ended(Outcome.REFUSED, known.status() + " " + text());
        } else if (isStream && hasError) {
            requireStart();
            ended(Outcome.BROKEN_OFF, "");
        } else if (isStream && !isDone) {
            violation("a stream ended without [DONE] and without an error");
            ended(Outcome.BROKEN_OFF, "");
        } else {
            if (!isStream) {
                parsed(body.toByteArray()).path("choices").forEach(this::choice);
            }
            requireAll();
            requireTruth(known);
            ended(Outcome.ANSWERED, told(known));
        }
    }

    @Override
    public void failed(ApiException failure) {
        requireStart();
        String cause = String.valueOf(failure.getMessage());
        if (cause.contains("broken off") && !runs.mayGiveUpClients()) {
            violation("the gateway broke an answer off without a word");
        }
        ended(Outcome.CUT, cause);
    }

    private void requireAll() {
        int choices = plan.ask().prompts() * plan.ask().choices();
        if (texts.size() != choices || endings != choices) {
            violation("choices " + texts.keySet() + " of " + plan + ", " + endings + " with an end");
        }
        texts.forEach((index, text) -> {
            if (!text.toString().equals(expected(index))) {
                violation("choice " + index + " is '" + text + "' instead of '" + expected(index) + "'");
            }
        });
    }

    /** What came of an answer that was not completed must be right as far as it goes. */
    private void requireStart() {
        texts.forEach((index, text) -> {
            if (!expected(index).startsWith(text.toString())) {
                violation("choice " + index + " began as '" + text + "' instead of '" + expected(index) + "'");
            }
        });
    }

    private String expected(int index) {
        int choices = plan.ask().choices();
        long seed = (long) plan.number() + index % choices;
        return String.join(
                "",
                prompts.answer(plan.number(), index / choices, seed, plan.ask().tokens()));
    }

    /** Whether the prompts were handed off: what the answer says, in its last word. */
    private String told(ReplyHead known) {
        SimulatedUpstream current = upstream;
        Optional<String> last = current == null ? Optional.empty() : current.trailer(DISAGGREGATED);
        return last.or(() -> known.header(DISAGGREGATED)).orElse("");
    }

    private void requireTruth(ReplyHead known) {
        String told = told(known);
        boolean isTrue = told.equals("true")
                ? origins.stream().allMatch(NodeRuns.Origin::seemsHandedOff)
                : told.startsWith(NOT_BECAUSE) && isReason(told.substring(NOT_BECAUSE.length()));
        if (!isTrue) {
            violation("it says '" + told + "', but the nodes " + origins);
        }
    }

    /** Whether what the nodes did is what a reason stands for, of one choice at least. */
    private boolean isReason(String reason) {
        return switch (reason) {
            case "recomputed" -> origins.contains(NodeRuns.Origin.RECOMPUTED);
            // a decode node's post may be lost, and it computes the prompt then
            case "nothing-to-hand-off", "not-asked" -> origins.stream().anyMatch(WITHOUT_PREFILL::contains);
            // a layerwise P may break off behind its last write, before it could say that all is written: D has the KV,
            // and nobody knows
            case "prefill-failed" -> runs.kind() == HandoffKind.LAYERWISE || origins.contains(NodeRuns.Origin.LOCAL);
            // what D did was in the end of its stream, which was lost
            case "unconfirmed" -> isStream;
            default -> origins.contains(NodeRuns.Origin.LOCAL);
        };
    }

    @Override
    public String toString() {
        return "client " + plan.number();
    }

    private void ended(Outcome how, String what) {
        if (outcome != Outcome.NONE) {
            violation("it ended as " + outcome + " and again as " + how);
        }
        http.host().network().trace(toString(), how + " " + what);
        outcome = how;
        detail = what;
    }

    private void violation(String what) {
        violations.accept(this + ": " + what);
    }
}
