package dev.tandem.engine.request;

import dev.tandem.trust.ClusterSecret;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * Which blocks of a peer hold a prompt's KV, or are to hold it: {@code kv_transfer_params} as vllm-ascend's MooncakeConnector,
 * MooncakeLayerwiseConnector and LLMDataDistCMgrConnector v0.11.0rc1 write them.
 *
 * @param engineId {@code remote_engine_id}, exactly what the peer's metadata says
 * @param host {@code remote_host} of the side channel
 * @param port {@code remote_port} of tensor rank 0's side channel
 * @param blockIds {@code remote_block_ids}: virtual ids, fresh per lease; callers must not write to them
 * @param lastTokenId {@code last_token_id}: the token that the prefill node sampled; the decode node samples it again itself. -1 when
 *     the peer does not tell it
 * @param further keys that we do not know, kept; values may be null
 */
@SuppressWarnings("ArrayRecordComponent") // compared by content, and never written to
public record HandoffTicket(
        String engineId, String host, int port, long[] blockIds, int lastTokenId, Map<String, Object> further) {
    /** Most blocks that a ticket may name. */
    public static final int MAX_BLOCKS = 1 << 20;

    /** Largest virtual block id: what every reader of JSON takes for an exact integer. */
    public static final long MAX_BLOCK_ID = (1L << 53) - 1;

    /** Most keys that a ticket may have. */
    public static final int MAX_KEYS = 128;

    /** Most tensor ranks that an engine may have. */
    public static final int MAX_TP_SIZE = 256;

    private static final int MAX_PORT = 65_535;

    /** The request id that P lent the blocks under, where it may differ from D's; newer vllm-ascend nodes write it too. */
    public static final String REQUEST_ID = "remote_request_id";

    /**
     * Tensor ranks of P's engine: rank r has its side channel at {@code remote_port + r}. A number, or a string of digits as
     * LLMDataDistCMgrConnector writes it.
     */
    public static final String TP_SIZE = "remote_tp_size";

    /** The {@link PromptDigest} of whoever wrote the ticket: the other side's tokens must be the same. */
    public static final String PROMPT = "tandem_prompt";

    /** Drawn by P at its start: its metadata says the same, or the ticket is of an earlier life. */
    public static final String INCARNATION = "tandem_incarnation";

    /** Of a process that knows the cluster's secret, over everything else that a ticket says: hexadecimal. */
    public static final String SEAL = "tandem_seal";

    private static final String SEALED_AS = "handoff ticket";

    public HandoffTicket {
        blockIds = blockIds.clone();
        further = Collections.unmodifiableMap(new LinkedHashMap<>(further));
    }

    /** The JSON object of {@code kv_transfer_params}, as plain values. */
    public Map<String, Object> toParams() {
        var params = new LinkedHashMap<String, Object>(further);
        params.put("do_remote_prefill", true);
        params.put("do_remote_decode", false);
        params.put("remote_block_ids", plain(blockIds));
        params.put("remote_engine_id", engineId);
        params.put("remote_host", host);
        params.put("remote_port", port);
        if (lastTokenId >= 0) {
            params.put("last_token_id", lastTokenId);
        }
        return params;
    }

    /** Ids as plain values, as a reader of JSON gives them: the narrowest integer that holds each. */
    public static List<Number> plain(long[] blockIds) {
        var ids = new ArrayList<Number>(blockIds.length);
        for (long id : blockIds) {
            if (id == (int) id) {
                ids.add((int) id);
            } else {
                ids.add(id);
            }
        }
        return ids;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof HandoffTicket that
                && engineId.equals(that.engineId)
                && host.equals(that.host)
                && port == that.port
                && Arrays.equals(blockIds, that.blockIds)
                && lastTokenId == that.lastTokenId
                && further.equals(that.further);
    }

    @Override
    public int hashCode() {
        return Objects.hash(engineId, host, port, Arrays.hashCode(blockIds), lastTokenId, further);
    }

    /**
     * Reads what {@link #toParams} or a foreign prefill node wrote and a client or gateway may have changed.
     *
     * @throws IllegalArgumentException naming the key, what was found and what is allowed
     */
    public static HandoffTicket fromParams(Map<String, ?> params) {
        if (params.size() > MAX_KEYS) {
            throw new IllegalArgumentException(
                    "kv_transfer_params has " + params.size() + " keys, at most " + MAX_KEYS + " are allowed");
        }
        var further = new LinkedHashMap<String, Object>(params);
        for (String known : List.of(
                "do_remote_prefill",
                "do_remote_decode",
                "remote_block_ids",
                "remote_engine_id",
                "remote_host",
                "remote_port",
                "last_token_id")) {
            further.remove(known);
        }
        text(params, REQUEST_ID, false);
        text(params, INCARNATION, false);
        text(params, PROMPT, false);
        Object lastToken = params.get("last_token_id");
        var ticket = new HandoffTicket(
                text(params, "remote_engine_id", true),
                host(text(params, "remote_host", true)),
                integer("remote_port", params.get("remote_port"), 1, MAX_PORT),
                blockIds(params.get("remote_block_ids")),
                lastToken == null ? -1 : integer("last_token_id", lastToken, 0, Integer.MAX_VALUE),
                further);
        ticket.tpSize(); // says what is wrong with it, if anything is
        return ticket;
    }

    /** The id that the writer of the ticket knows the exchange by, if the ticket says so: that of the request that its blocks are lent under. */
    public Optional<String> transferId() {
        return further.get(REQUEST_ID) instanceof String id && !id.isEmpty() ? Optional.of(id) : Optional.empty();
    }

    /** Digest of the writer's prompt, if the ticket says it. */
    public Optional<String> prompt() {
        return further.get(PROMPT) instanceof String digest ? Optional.of(digest) : Optional.empty();
    }

    /** A ticket with one more key, or another value of it. */
    public HandoffTicket with(String key, Object value) {
        var more = new LinkedHashMap<>(further);
        more.put(key, value);
        return new HandoffTicket(engineId, host, port, blockIds, lastTokenId, more);
    }

    /** The ticket with a seal of this secret, where there is one: it can be told from what a client makes up. */
    public HandoffTicket sealedBy(ClusterSecret secret) {
        return secret.isSet() ? with(SEAL, HexFormat.of().formatHex(secret.seal(SEALED_AS, content()))) : this;
    }

    /** Whether whoever knows this secret has written the ticket as it is. */
    public boolean isSealedBy(ClusterSecret secret) {
        return further.get(SEAL) instanceof String hex
                && hex.matches("[0-9a-f]{" + 2 * ClusterSecret.MAC_BYTES + "}")
                && secret.isSealed(SEALED_AS, content(), HexFormat.of().parseHex(hex));
    }

    /** What a seal covers: all that decides where bytes are read or written. */
    private byte[] content() {
        var text = new StringJoiner("\n");
        for (Object part : List.of(
                engineId,
                host,
                port,
                transferId().orElse(""),
                incarnation().orElse(""),
                prompt().orElse(""),
                tpSize().orElse(-1),
                lastTokenId)) {
            String shown = part.toString();
            text.add(shown.length() + ":" + shown);
        }
        return text.add(Arrays.toString(blockIds)).toString().getBytes(StandardCharsets.UTF_8);
    }

    /** Which life of the prefill node wrote the ticket, if it says so. */
    public Optional<String> incarnation() {
        return further.get(INCARNATION) instanceof String id ? Optional.of(id) : Optional.empty();
    }

    /**
     * How many tensor ranks the writer has, if the ticket says so.
     *
     * @throws IllegalArgumentException when it says so in a way that cannot be
     */
    public OptionalInt tpSize() {
        return tpSize(further.get(TP_SIZE), port);
    }

    private static OptionalInt tpSize(@Nullable Object value, int port) {
        if (value == null) {
            return OptionalInt.empty();
        }
        int most = Math.min(MAX_TP_SIZE, MAX_PORT - port + 1);
        if (!(value instanceof String digits)) {
            return OptionalInt.of(integer(TP_SIZE, value, 1, most));
        }
        if (!digits.matches("[0-9]{1,4}")) {
            throw wrong(TP_SIZE, value, "an integer from 1 to " + most);
        }
        return OptionalInt.of(integer(TP_SIZE, Integer.valueOf(digits), 1, most));
    }

    private static String text(Map<String, ?> params, String key, boolean isRequired) {
        Object value = params.get(key);
        if (value == null && !isRequired) {
            return "";
        }
        if (!(value instanceof String text)) {
            throw wrong(key, value, "a string");
        }
        if ((isRequired && text.isEmpty()) || text.length() > 256) {
            throw new IllegalArgumentException(
                    "kv_transfer_params." + key + " has " + text.length() + " characters, 1 to 256 are allowed");
        }
        return text;
    }

    /** A name or address without anything that an endpoint syntax could take for more. */
    private static String host(String host) {
        for (int index = 0; index < host.length(); index++) {
            char c = host.charAt(index);
            boolean isPlain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!isPlain && ".-_:%".indexOf(c) < 0) {
                throw wrong("remote_host", host, "a host name or an address");
            }
        }
        return host;
    }

    private static int integer(String key, @Nullable Object value, int least, int most) {
        return (int) longInteger(key, value, least, most);
    }

    private static long longInteger(String key, @Nullable Object value, long least, long most) {
        long found = switch (value) {
            case Integer number -> number;
            case Long number -> number;
            case Short number -> number;
            case Byte number -> number;
            case BigInteger number when number.bitLength() < 64 -> number.longValue();
            case null, default -> throw wrong(key, value, "an integer from " + least + " to " + most);
        };
        if (found < least || found > most) {
            throw wrong(key, value, "an integer from " + least + " to " + most);
        }
        return found;
    }

    /** A flat list of ids, or, as newer nodes write it, a list of such lists per KV group, of which there must be one. */
    private static long[] blockIds(@Nullable Object value) {
        String key = "remote_block_ids";
        if (!(value instanceof List<?> list)) {
            throw wrong(key, value, "a list of block ids");
        }
        if (!list.isEmpty() && list.getFirst() instanceof List<?> group) {
            if (list.size() != 1) {
                throw new IllegalArgumentException(
                        "kv_transfer_params." + key + " has " + list.size() + " KV groups, 1 is supported");
            }
            list = group;
        }
        if (list.isEmpty() || list.size() > MAX_BLOCKS) {
            throw new IllegalArgumentException("kv_transfer_params." + key + " has " + list.size() + " blocks, 1 to "
                    + MAX_BLOCKS + " are allowed");
        }
        var ids = new long[list.size()];
        for (int index = 0; index < ids.length; index++) {
            ids[index] = longInteger(key + "[" + index + "]", list.get(index), 0, MAX_BLOCK_ID);
        }
        return ids;
    }

    private static IllegalArgumentException wrong(String key, @Nullable Object value, String allowed) {
        if (value == null) {
            return new IllegalArgumentException("kv_transfer_params." + key + " is missing; it must be " + allowed);
        }
        String shown = String.valueOf(value instanceof String || value instanceof Number ? value : kind(value));
        return new IllegalArgumentException("kv_transfer_params." + key + " is "
                + (shown.length() > 64 ? shown.substring(0, 64) + "…" : shown) + ", but must be " + allowed);
    }

    private static String kind(Object value) {
        return switch (value) {
            case Map<?, ?> map -> "an object of " + map.size() + " keys";
            case List<?> list -> "a list of " + list.size();
            case Boolean bool -> bool.toString();
            default -> value.getClass().getSimpleName();
        };
    }
}
