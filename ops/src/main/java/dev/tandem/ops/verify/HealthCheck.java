package dev.tandem.ops.verify;

import dev.tandem.ops.verify.Row.Check;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** Reads the two health pages: vLLM's {@code /health} and the example proxies' {@code /healthcheck}. Pure. */
final class HealthCheck {
    private HealthCheck() {}

    /** Whether anybody is there at all. */
    static boolean isReached(Reply health, Reply healthcheck) {
        return health.failure().isEmpty() || healthcheck.failure().isEmpty();
    }

    static Row judge(Reply health, Reply healthcheck) {
        if (!isReached(health, healthcheck)) {
            return Row.failed(Check.HEALTH, health.complaint());
        }
        if (!health.isOk() && !health.isUnknownPage()) {
            return Row.failed(Check.HEALTH, "/health: " + health.complaint());
        }
        if (!health.isOk() && !healthcheck.isOk()) {
            return healthcheck.isUnknownPage()
                    ? Row.notSeen(Check.HEALTH, "neither /health nor /healthcheck is there")
                    : Row.failed(Check.HEALTH, "/healthcheck: " + healthcheck.complaint());
        }
        List<String> faults = faults(health.json(), healthcheck.json());
        if (!faults.isEmpty()) {
            return Row.failed(Check.HEALTH, String.join("; ", faults));
        }
        JsonNode page = healthcheck.json();
        return Row.ok(
                Check.HEALTH,
                (health.isOk() ? "/health 200" : "/healthcheck 200, /health is not there") + counts(page),
                values(page));
    }

    /** Nodes that the gateway leaves out, and nodes of a deployment that are away. */
    private static List<String> faults(JsonNode health, JsonNode healthcheck) {
        var faults = new ArrayList<String>();
        for (JsonNode node : healthcheck.path("left_out")) {
            faults.add(node.path("role").asString("") + " node "
                    + node.path("node").asString("") + " is "
                    + node.path("state").asString("left out") + ": "
                    + node.path("cause").asString("no cause is reported"));
        }
        for (JsonNode node : health.path("nodes_away")) {
            faults.add("node " + node.path("node").asString("") + " of the deployment is away: "
                    + node.path("reason").asString(""));
        }
        return faults;
    }

    private static String counts(JsonNode page) {
        if (page.has("prefill_healthy")) {
            return "; healthy: prefill " + page.path("prefill_healthy").asInt(0) + " of "
                    + page.path("prefill_instances").asInt(0) + ", decode "
                    + page.path("decode_healthy").asInt(0) + " of "
                    + page.path("decode_instances").asInt(0);
        }
        return page.has("prefill_instances")
                ? "; " + page.path("prefill_instances").asInt(0) + " prefill and "
                        + page.path("decode_instances").asInt(0) + " decode nodes, the health of each is not reported"
                : "";
    }

    private static Map<String, Object> values(JsonNode page) {
        var values = new LinkedHashMap<String, Object>();
        for (String name : List.of("prefill_instances", "decode_instances", "prefill_healthy", "decode_healthy")) {
            if (page.has(name)) {
                values.put(name, page.path(name).asInt(0));
            }
        }
        return values;
    }
}
