package dev.tandem.gateway.intake;

import dev.tandem.api.JsonText;
import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.sse.SseWriter;
import dev.tandem.gateway.protocol.ClientRequest;
import dev.tandem.gateway.protocol.PdProtocol;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The answer to a request for several sequences: one exchange per sequence, a bounded number at once, put together into one reply. The first
 * failure is the failure of the whole and calls the others off. Owned by the event loop of the client's connection.
 */
final class MergedAnswer {
    private static final int MAX_AT_ONCE = 16;
    private static final long MAX_WHOLE_BYTES = 64L << 20;
    private static final String DISAGGREGATED = "x-tandem-disaggregated";
    private static final byte[] DONE = SseWriter.done();

    private final PdProtocol protocol;
    private final ClientAnswer client;
    private final List<ClientRequest> requests;
    private final ReplyMerge merge;
    private final List<PartAnswer> running = new ArrayList<>();
    private long wholeBytes;
    private int begun;
    private int ended;
    private boolean over;
    private String disaggregated = "true";
    private @Nullable Upstream lastSender;

    MergedAnswer(PdProtocol protocol, ClientAnswer client, List<ClientRequest> requests, ReplyMerge merge) {
        this.protocol = protocol;
        this.client = client;
        this.requests = requests;
        this.merge = merge;
    }

    void start() {
        client.onGone(this::callOff);
        beginMore();
    }

    private void beginMore() {
        while (!over && begun < requests.size() && running.size() < MAX_AT_ONCE) {
            PartAnswer part = new PartAnswer(this, begun);
            running.add(part);
            protocol.serve(requests.get(begun++), part);
        }
    }

    ClientAnswer client() {
        return client;
    }

    /** What an exchange says of itself; one that was not disaggregated speaks for all. */
    void header(String name, String value) {
        if (!name.equals(DISAGGREGATED)) {
            client.header(name, value);
        } else if (!value.equals("true")) {
            disaggregated = value;
            client.trailer(DISAGGREGATED, value); // for a stream whose head has gone
        }
    }

    /** A sequence has been answered in one piece. */
    void whole(PartAnswer part, byte[] body) {
        wholeBytes += body.length;
        if (wholeBytes > MAX_WHOLE_BYTES) {
            failed(ApiError.badGateway("the replies for all sequences exceed " + MAX_WHOLE_BYTES + " bytes"));
            return;
        }
        try {
            Optional<ApiError> refusal = client.hold(JsonText.treeBytes(body));
            if (refusal.isPresent()) {
                failed(refusal.get());
                return;
            }
            merge.add(part.sequence(), body);
        } catch (ApiError e) {
            failed(ApiError.badGateway("a decode node's reply is not a JSON object"));
            return;
        }
        if (ended(part)) {
            client.header(DISAGGREGATED, disaggregated);
            client.respond(200, "application/json", merge.whole());
        }
    }

    /** An event of a sequence has come. */
    void event(PartAnswer part, String data, Upstream from) {
        if (over || data.equals("[DONE]")) {
            return;
        }
        lastSender = from;
        client.header(DISAGGREGATED, disaggregated);
        try {
            merge.event(part.sequence(), data).ifPresent(event -> client.events(event, from));
        } catch (ApiError e) {
            failed(ApiError.badGateway("an event of a decode node is not a JSON object"));
        }
    }

    /** The events of a sequence are complete. */
    void eventsEnded(PartAnswer part) {
        Upstream from = lastSender;
        if (ended(part) && from != null) {
            merge.usageEvent().ifPresent(event -> client.events(event, from));
            client.events(DONE, from);
            client.endEvents();
        }
    }

    /** Counts a sequence that is complete; whether it was the last. */
    private boolean ended(PartAnswer part) {
        running.remove(part);
        ended++;
        if (!over && ended == requests.size()) {
            over = true;
            return true;
        }
        beginMore();
        return false;
    }

    /** A node's refusal of one sequence is the answer to all; where events have gone to the client already, its status is told in the last. */
    void refused(int status, String contentType, byte[] body) {
        if (over) {
            return;
        }
        callOff();
        if (lastSender == null) {
            client.respond(status, contentType, body);
        } else {
            client.fail(
                    new ApiError(status, "UpstreamError", "a node answered " + status + " for one sequence", null, -1));
        }
    }

    /** A sequence has failed, and with it all. */
    void failed(ApiError error) {
        if (!over) {
            callOff();
            client.fail(error);
        }
    }

    private void callOff() {
        over = true;
        List<PartAnswer> others = List.copyOf(running);
        running.clear();
        others.forEach(PartAnswer::callOff);
    }
}
