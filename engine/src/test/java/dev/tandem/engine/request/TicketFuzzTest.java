package dev.tandem.engine.request;

import dev.tandem.corpus.Corpus;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** {@code kv_transfer_params} that a client or gateway may have changed: read and written back as the same, or refused in words. */
class TicketFuzzTest {
    private static final JsonMapper JSON = JsonMapper.shared();

    @Test
    void shouldReadOrRefuseEveryTicket() {
        Corpus.replay("ticket", TicketFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        Map<?, ?> params;
        try {
            if (!(JSON.readValue(input, Object.class) instanceof Map<?, ?> object)) {
                return;
            }
            params = object;
        } catch (JacksonException notJson) {
            return;
        }
        @SuppressWarnings("unchecked") // a JSON object
        var given = (Map<String, ?>) params;
        try {
            HandoffRole role = HandoffParams.parse(given);
            Corpus.require(HandoffParams.parse(given).equals(role), "another role when read again");
        } catch (IllegalArgumentException refusal) {
            requireWords(refusal);
        }
        try {
            HandoffTicket ticket = HandoffTicket.fromParams(given);
            Corpus.require(
                    HandoffTicket.fromParams(ticket.toParams()).equals(ticket), "another ticket when read again");
            Corpus.require(ticket.tpSize().orElse(1) >= 1, "no ranks");
            requireShort(ticket);
        } catch (IllegalArgumentException refusal) {
            requireWords(refusal);
        }
    }

    private static void requireShort(HandoffTicket ticket) {
        ticket.transferId().ifPresent(id -> Corpus.require(id.length() <= 256, "a long id"));
        Corpus.require(ticket.host().length() <= 256 && ticket.engineId().length() <= 256, "a long name");
    }

    private static void requireWords(IllegalArgumentException refusal) {
        boolean isOurs = String.valueOf(refusal.getMessage()).startsWith("kv_transfer_params");
        if (!isOurs) {
            throw new AssertionError("an exception of another's", refusal);
        }
        Corpus.require(refusal.getMessage().length() < 1_000, "a long refusal");
    }
}
