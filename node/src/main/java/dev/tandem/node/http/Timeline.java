package dev.tandem.node.http;

import dev.tandem.api.openai.ReplyUsage;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.TokenEvent;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The {@code tandem} object of usage: where the prompt was computed, what was moved, and how long each part took, so that a client sees
 * whether disaggregation happened. Pure.
 */
final class Timeline {
    private Timeline() {}

    /** Milliseconds with three digits. */
    static double millis(long nanos) {
        return Math.round(nanos / 1e3) / 1e3;
    }

    /** Usage of a request; times are those of its first sequence. */
    static ReplyUsage usage(
            Generation.Job job, int promptTokens, int outputTokens, int cachedTokens, TokenEvent.Usage first) {
        var timeline = new LinkedHashMap<String, Object>();
        timeline.put("tokenize_ms", millis(job.tokenizeNanos()));
        timeline.put("queued_ms", millis(first.times().queuedNs()));
        timeline.put("prefill_ms", millis(first.times().prefillNs()));
        timeline.put("decode_ms", millis(first.times().decodeNs()));
        int cached = cachedTokens;
        HandoffRole role = job.handoff();
        if (role instanceof HandoffRole.Fetch || role instanceof HandoffRole.Receive) {
            putHandoff(timeline, first.handoff());
        }
        if (role instanceof HandoffRole.Fetch fetch) {
            putRemote(timeline, fetch.ticket());
            boolean isRemote = first.handoff().remoteTokens() > 0;
            if (isRemote && fetch.ticket().further().get("tandem_cached_tokens") instanceof Number remote) {
                cached = Math.max(cached, remote.intValue());
            }
        }
        return new ReplyUsage(promptTokens, outputTokens, Math.min(cached, promptTokens), timeline);
    }

    private static void putHandoff(Map<String, Object> timeline, TokenEvent.HandoffUsage handoff) {
        timeline.put("prefill", handoff.remoteTokens() > 0 ? "remote" : "local");
        timeline.put("remote_tokens", handoff.remoteTokens());
        timeline.put("handoff_bytes", handoff.bytes());
        timeline.put("handoff_ms", millis(handoff.nanos()));
        handoff.recomputeReason().ifPresent(reason -> timeline.put("recompute_reason", reason));
    }

    private static void putRemote(Map<String, Object> timeline, HandoffTicket ticket) {
        if (ticket.further().get("tandem_tokenize_ms") instanceof Number tokenize) {
            timeline.put("remote_tokenize_ms", tokenize.doubleValue());
        }
        if (ticket.further().get("tandem_prefill_ms") instanceof Number prefill) {
            timeline.put("remote_prefill_ms", prefill.doubleValue());
        }
    }
}
