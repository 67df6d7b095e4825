package dev.tandem.transfer.wire;

import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a Notify message carries: {@code {"name":"...","notify_msg":"..."}}.
 *
 * @param name the sender's choice, usually a request id
 * @param message the sender's choice; in a reply, how it was taken
 */
public record Notification(String name, String message) {
    /** The answer to a notification that was taken. */
    public static final Notification TAKEN = new Notification("", "success");

    private static final JsonMapper JSON = JsonMapper.shared();

    public String toJson() {
        return JSON.writeValueAsString(JSON.createObjectNode().put("name", name).put("notify_msg", message)) + "\n";
    }

    public static Notification parse(String json) throws WireException {
        try {
            JsonNode root = JSON.readTree(json);
            if (!root.path("name").isString() || !root.path("notify_msg").isString()) {
                throw new WireException("notification without 'name' and 'notify_msg'");
            }
            return new Notification(
                    root.path("name").stringValue(), root.path("notify_msg").stringValue());
        } catch (JacksonException e) {
            throw new WireException("notification is not JSON: " + e.getOriginalMessage(), e);
        }
    }
}
