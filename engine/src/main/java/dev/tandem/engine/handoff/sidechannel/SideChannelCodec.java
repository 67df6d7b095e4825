package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneReceiving;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneSending;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.FailedSending;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.GetMetadata;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.transfer.TransferException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessagePackException;
import org.msgpack.core.MessageUnpacker;

/**
 * The msgpack payloads of vllm-ascend's side channel (v0.11.0rc1). Verbs are msgpack bin, ids are str. Everything read here is
 * untrusted: sizes are checked against the limits below before anything is allocated. Pure.
 *
 * <pre>
 *   request   [ bin "get_meta_msg", str "" ]
 *             [ bin "done_recving_msg", str requestId ]           newer nodes and ours: a third element { port: { "num": sends, "host": str } } or {},
 *                                                                 ours to ours a fourth { "lease": int }
 *             [ bin "done_sending_msg", str requestId, { "lease": int, "sums": [int per rank] } ]     foreign nodes: two elements, or int and str
 *             [ bin "failed_sending_msg", str requestId, { "lease": int, "reason": str } ]
 *   metadata  { "engine_id": str, "te_rpc_port": int, "kv_caches_base_addr": [int per plane], "num_blocks": int,
 *               keys of our own that vllm-ascend skips:
 *               "block_size": int, "block_lens": [int per plane], "local_ip": str, "handshake_port": int,
 *               "tandem": { "version": 1, "incarnation": str, "tp_rank": int, "tp_size": int, "block_size": int, "planes": [
 *                    { "name": str, "dtype": str, "heads": int, "head_dim": int, "first_head": int, "model_heads": int } ] } }
 *   ACK       the raw bytes ACK, no msgpack
 * </pre>
 */
public final class SideChannelCodec {
    public static final int VERSION = 1;

    /** Longest request id and engine id, bytes of UTF-8. */
    public static final int MAX_ID_BYTES = 1024;

    /** Longest request payload: the longest id and some ports. */
    public static final int MAX_REQUEST_BYTES = 64 << 10;

    /** Longest metadata payload. */
    public static final int MAX_METADATA_BYTES = 1 << 20;

    /** Longest reason of a failure, chars. */
    private static final int MAX_REASON = 1024;

    private static final int MAX_ELEMENTS = 4;
    private static final int MAX_PLANES = 8192;
    private static final int MAX_PORTS = 4096;
    private static final int MAX_SENDS = 1 << 20;
    private static final int MAX_DIMENSION = 1 << 20;

    private static final byte[] GET_METADATA = "get_meta_msg".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] DONE_RECEIVING = "done_recving_msg".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] DONE_SENDING = "done_sending_msg".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] FAILED_SENDING = "failed_sending_msg".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] ACKNOWLEDGEMENT = "ACK".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] REFUSAL = "NAK".getBytes(StandardCharsets.US_ASCII);

    private SideChannelCodec() {}

    public static byte[] acknowledgement() {
        return ACKNOWLEDGEMENT.clone();
    }

    public static boolean isAcknowledgement(byte[] payload) {
        return Arrays.equals(payload, ACKNOWLEDGEMENT);
    }

    /** The answer to what is not a message, so that a REQ socket does not wait for its timeout; any reader takes it for an error. */
    public static byte[] refusal() {
        return REFUSAL.clone();
    }

    public static byte[] encodeGetMetadata() {
        return packed(packer -> {
            packer.packArrayHeader(2);
            packer.packBinaryHeader(GET_METADATA.length).writePayload(GET_METADATA);
            packer.packString("");
        });
    }

    /**
     * @param sends done messages that each port of the prefill engine will get; v0.11.0rc1 does not read it, newer nodes demand it
     * @param lease the first virtual block id of the ticket, to an engine of ours
     */
    public static byte[] encodeDoneReceiving(
            String requestId, String host, SortedMap<Integer, Integer> sends, OptionalLong lease) {
        return packed(packer -> {
            packer.packArrayHeader(lease.isPresent() ? 4 : 3);
            packer.packBinaryHeader(DONE_RECEIVING.length).writePayload(DONE_RECEIVING);
            packer.packString(requestId);
            packer.packMapHeader(sends.size());
            for (var port : sends.entrySet()) {
                packer.packInt(port.getKey()).packMapHeader(2);
                packer.packString("num").packInt(port.getValue());
                packer.packString("host").packString(host);
            }
            if (lease.isPresent()) {
                packer.packMapHeader(1).packString("lease").packLong(lease.getAsLong());
            }
        });
    }

    /**
     * @param lease the first virtual block id of the decode node's lease
     * @param sums of what was written, by rank of the decode node
     */
    public static byte[] encodeDoneSending(String requestId, long lease, List<Integer> sums) {
        return packed(packer -> {
            packer.packArrayHeader(3);
            packer.packBinaryHeader(DONE_SENDING.length).writePayload(DONE_SENDING);
            packer.packString(requestId).packMapHeader(2);
            packer.packString("lease").packLong(lease);
            packer.packString("sums").packArrayHeader(sums.size());
            for (int sum : sums) {
                packer.packInt(sum);
            }
        });
    }

    /** @param reason shortened when it is long */
    public static byte[] encodeFailedSending(String requestId, long lease, String reason) {
        return packed(packer -> {
            packer.packArrayHeader(3);
            packer.packBinaryHeader(FAILED_SENDING.length).writePayload(FAILED_SENDING);
            packer.packString(requestId).packMapHeader(2);
            packer.packString("lease").packLong(lease);
            packer.packString("reason").packString(reason.substring(0, Math.min(reason.length(), MAX_REASON)));
        });
    }

    /** @throws TransferException CORRUPT when the payload is not a request */
    public static SideChannelMessage decodeRequest(byte[] payload) {
        return unpacked(payload, MAX_REQUEST_BYTES, unpacker -> {
            int elements = unpacker.unpackArrayHeader();
            if (elements < 2 || elements > MAX_ELEMENTS) {
                throw corrupt("a request of " + elements + " elements");
            }
            byte[] verb = readBytes(unpacker, 64, "verb");
            if (Arrays.equals(verb, GET_METADATA)) {
                for (int element = 1; element < elements; element++) {
                    unpacker.skipValue();
                }
                return new GetMetadata();
            }
            String requestId = readString(unpacker, MAX_ID_BYTES, "request id");
            SideChannelMessage message;
            int read = 3;
            if (Arrays.equals(verb, DONE_RECEIVING)) {
                Map<Integer, Integer> sends = elements > 2 ? readSends(unpacker) : Map.of();
                message = new DoneReceiving(
                        requestId, sends, readSent(elements > 3, unpacker).lease());
                read = 4;
            } else if (Arrays.equals(verb, DONE_SENDING)) {
                Sent sent = readSent(elements > 2, unpacker);
                message = new DoneSending(requestId, sent.lease(), sent.sums());
            } else if (Arrays.equals(verb, FAILED_SENDING)) {
                Sent sent = readSent(elements > 2, unpacker);
                message = new FailedSending(requestId, sent.lease(), sent.reason());
            } else {
                throw corrupt("unknown verb");
            }
            for (int element = read; element < elements; element++) {
                unpacker.skipValue();
            }
            return message;
        });
    }

    /** What our nodes say besides the request id. */
    private record Sent(OptionalLong lease, String reason, List<Integer> sums) {}

    /** {@code { "lease": int, "reason": str, "sums": [int] }}, or whatever newer nodes say there. */
    private static Sent readSent(boolean isThere, MessageUnpacker unpacker) throws IOException {
        OptionalLong lease = OptionalLong.empty();
        String reason = "it does not say why";
        List<Integer> sums = List.of();
        if (isThere && !unpacker.getNextFormat().getValueType().isMapType()) {
            unpacker.skipValue();
        } else if (isThere) {
            int keys = bounded(unpacker.unpackMapHeader(), 16, "keys");
            for (int index = 0; index < keys; index++) {
                String key = readString(unpacker, 64, "key");
                switch (key) {
                    case "lease" -> lease = OptionalLong.of(unpacker.unpackLong());
                    case "reason" -> reason = readString(unpacker, 4 * MAX_REASON, key);
                    case "sums" -> sums = readSums(unpacker);
                    default -> unpacker.skipValue();
                }
            }
        }
        return new Sent(lease, reason, sums);
    }

    private static List<Integer> readSums(MessageUnpacker unpacker) throws IOException {
        int ranks = bounded(unpacker.unpackArrayHeader(), HandoffTicket.MAX_TP_SIZE, "sums");
        var sums = new ArrayList<Integer>(ranks);
        for (int rank = 0; rank < ranks; rank++) {
            sums.add(unpacker.unpackInt());
        }
        return sums;
    }

    /** {@code { port: { "num": sends, … } }}, or whatever else newer nodes send for "one". */
    private static Map<Integer, Integer> readSends(MessageUnpacker unpacker) throws IOException {
        if (!unpacker.getNextFormat().getValueType().isMapType()) {
            unpacker.skipValue();
            return Map.of();
        }
        int ports = bounded(unpacker.unpackMapHeader(), MAX_PORTS, "ports");
        var sends = new HashMap<Integer, Integer>();
        for (int entry = 0; entry < ports; entry++) {
            int port = unpacker.unpackInt();
            int keys = bounded(unpacker.unpackMapHeader(), 16, "keys of a port");
            for (int index = 0; index < keys; index++) {
                String key = readString(unpacker, 64, "key");
                if (key.equals("num")) {
                    sends.put(port, ranged(unpacker.unpackInt(), 0, MAX_SENDS, key));
                } else {
                    unpacker.skipValue();
                }
            }
        }
        return sends;
    }

    /**
     * @param host address of the side channel and the transfer engine
     * @param port of the side channel
     */
    public static byte[] encodeMetadata(PeerMetadata metadata, String host, int port) {
        return packed(packer -> {
            packer.packMapHeader(metadataKeys(metadata));
            packMetadata(packer, metadata, host, port);
        });
    }

    /** How many keys {@link #packMetadata} writes. */
    public static int metadataKeys(PeerMetadata metadata) {
        return metadata.details().isPresent() ? 9 : 6;
    }

    /** The keys and values of a map whose header stands there already. */
    public static void packMetadata(MessageBufferPacker packer, PeerMetadata metadata, String host, int port)
            throws IOException {
        packer.packString("engine_id").packString(metadata.engineId());
        packer.packString("te_rpc_port").packInt(metadata.transferPort());
        packer.packString("kv_caches_base_addr")
                .packArrayHeader(metadata.planeAddresses().size());
        for (long address : metadata.planeAddresses()) {
            packer.packLong(address);
        }
        packer.packString("num_blocks").packLong(metadata.blockCount());
        packer.packString("local_ip").packString(host);
        packer.packString("handshake_port").packInt(port);
        if (metadata.details().isPresent()) {
            encodeDetails(packer, metadata.details().get());
        }
    }

    private static void encodeDetails(MessageBufferPacker packer, PeerMetadata.Details details) throws IOException {
        KvLayout layout = details.layout();
        packer.packString("block_size").packInt(layout.blockSize());
        packer.packString("block_lens").packArrayHeader(layout.planes().size());
        for (int plane = 0; plane < layout.planes().size(); plane++) {
            packer.packLong(layout.blockBytes(plane));
        }
        packer.packString("tandem").packMapHeader(6);
        packer.packString("version").packInt(VERSION);
        packer.packString("incarnation").packString(details.incarnation());
        packer.packString("tp_rank").packInt(details.tpRank());
        packer.packString("tp_size").packInt(details.tpSize());
        packer.packString("block_size").packInt(layout.blockSize());
        packer.packString("planes").packArrayHeader(layout.planes().size());
        for (KvPlane plane : layout.planes()) {
            packer.packMapHeader(6);
            packer.packString("name").packString(plane.name());
            packer.packString("dtype").packString(plane.dtype().name());
            packer.packString("heads").packInt(plane.heads());
            packer.packString("head_dim").packInt(plane.headDim());
            packer.packString("first_head").packInt(plane.firstHead());
            packer.packString("model_heads").packInt(plane.modelHeads());
        }
    }

    /** @throws TransferException CORRUPT naming the key, when the payload is not metadata */
    public static PeerMetadata decodeMetadata(byte[] payload) {
        return unpacked(payload, MAX_METADATA_BYTES, unpacker -> {
            var fields = new MetadataFields();
            int keys = bounded(unpacker.unpackMapHeader(), 64, "metadata keys");
            for (int key = 0; key < keys; key++) {
                fields.read(readString(unpacker, 256, "metadata key"), unpacker);
            }
            return fields.toMetadata();
        });
    }

    /** Fields in any order; filled while one payload is read. */
    private static final class MetadataFields {
        private @Nullable String engineId;
        private int transferPort;
        private @Nullable List<Long> addresses;
        private long blockCount = -1;
        private PeerMetadata.@Nullable Details details;

        void read(String key, MessageUnpacker unpacker) throws IOException {
            switch (key) {
                case "engine_id" -> engineId = readString(unpacker, MAX_ID_BYTES, key);
                case "te_rpc_port" -> transferPort = ranged(unpacker.unpackInt(), 1, 65_535, key);
                case "kv_caches_base_addr" -> addresses = readAddresses(unpacker);
                case "num_blocks" -> blockCount = unpacker.unpackLong();
                case "tandem" -> details = readDetails(unpacker);
                default -> unpacker.skipValue();
            }
        }

        PeerMetadata toMetadata() {
            String engine = engineId;
            List<Long> bases = addresses;
            if (engine == null || transferPort == 0 || bases == null || blockCount < 0) {
                throw corrupt("metadata without "
                        + (engine == null
                                ? "engine_id"
                                : transferPort == 0
                                        ? "te_rpc_port"
                                        : bases == null ? "kv_caches_base_addr" : "num_blocks"));
            }
            PeerMetadata.Details tandem = details;
            if (tandem != null && tandem.layout().planes().size() != bases.size()) {
                throw corrupt(bases.size() + " addresses for "
                        + tandem.layout().planes().size() + " planes");
            }
            return new PeerMetadata(engine, transferPort, bases, blockCount, Optional.ofNullable(tandem));
        }
    }

    private static List<Long> readAddresses(MessageUnpacker unpacker) throws IOException {
        int count = bounded(unpacker.unpackArrayHeader(), MAX_PLANES, "addresses");
        var addresses = new ArrayList<Long>();
        for (int plane = 0; plane < count; plane++) {
            long address = unpacker.unpackLong();
            if (address <= 0) {
                throw corrupt("address " + address);
            }
            addresses.add(address);
        }
        return addresses;
    }

    private static PeerMetadata.Details readDetails(MessageUnpacker unpacker) throws IOException {
        int version = 0;
        String incarnation = "";
        int tpRank = 0;
        int tpSize = 1;
        int blockSize = 0;
        List<KvPlane> planes = List.of();
        int keys = bounded(unpacker.unpackMapHeader(), 64, "tandem keys");
        for (int index = 0; index < keys; index++) {
            String key = readString(unpacker, 256, "tandem key");
            switch (key) {
                case "version" -> version = unpacker.unpackInt();
                case "incarnation" -> incarnation = readString(unpacker, MAX_ID_BYTES, key);
                case "tp_rank" -> tpRank = ranged(unpacker.unpackInt(), 0, HandoffTicket.MAX_TP_SIZE - 1, key);
                case "tp_size" -> tpSize = ranged(unpacker.unpackInt(), 1, HandoffTicket.MAX_TP_SIZE, key);
                case "block_size" -> blockSize = ranged(unpacker.unpackInt(), 1, MAX_DIMENSION, key);
                case "planes" -> planes = readPlanes(unpacker);
                default -> unpacker.skipValue();
            }
        }
        requireVersion(version);
        if (blockSize == 0 || planes.isEmpty() || incarnation.isEmpty()) {
            throw corrupt("metadata without block_size, planes or incarnation");
        }
        if (tpRank >= tpSize) {
            throw corrupt("tp_rank " + tpRank + " of tp_size " + tpSize);
        }
        return new PeerMetadata.Details(incarnation, tpRank, tpSize, new KvLayout(blockSize, planes));
    }

    private static void requireVersion(int version) {
        if (version != VERSION) {
            throw corrupt("handoff version " + version + " where " + VERSION + " is spoken here");
        }
    }

    private static List<KvPlane> readPlanes(MessageUnpacker unpacker) throws IOException {
        int count = bounded(unpacker.unpackArrayHeader(), MAX_PLANES, "planes");
        var planes = new ArrayList<KvPlane>();
        for (int plane = 0; plane < count; plane++) {
            planes.add(readPlane(unpacker));
        }
        return planes;
    }

    private static KvPlane readPlane(MessageUnpacker unpacker) throws IOException {
        String name = "";
        DType dtype = null;
        int heads = 0;
        int headDim = 0;
        int firstHead = 0;
        int modelHeads = 0;
        int keys = bounded(unpacker.unpackMapHeader(), 64, "plane keys");
        for (int index = 0; index < keys; index++) {
            String key = readString(unpacker, 256, "plane key");
            switch (key) {
                case "name" -> name = readString(unpacker, 256, key);
                case "dtype" -> dtype = dtype(readString(unpacker, 64, key));
                case "heads" -> heads = ranged(unpacker.unpackInt(), 1, MAX_DIMENSION, key);
                case "head_dim" -> headDim = ranged(unpacker.unpackInt(), 1, MAX_DIMENSION, key);
                case "first_head" -> firstHead = ranged(unpacker.unpackInt(), 0, MAX_DIMENSION, key);
                case "model_heads" -> modelHeads = ranged(unpacker.unpackInt(), 1, MAX_DIMENSION, key);
                default -> unpacker.skipValue();
            }
        }
        if (name.isEmpty() || dtype == null || heads == 0 || headDim == 0 || firstHead + heads > modelHeads) {
            throw corrupt("plane \"" + name + "\" with heads " + firstHead + ".." + (firstHead + heads) + " of "
                    + modelHeads);
        }
        if (headDim % dtype.blockValues() != 0) {
            throw corrupt("plane \"" + name + "\" with head_dim " + headDim + " of " + dtype);
        }
        return new KvPlane(name, dtype, heads, headDim, firstHead, modelHeads);
    }

    private static DType dtype(String name) {
        for (DType dtype : DType.values()) {
            if (dtype.name().equals(name)) {
                return dtype;
            }
        }
        throw corrupt("unknown dtype " + name);
    }

    public static String readString(MessageUnpacker unpacker, int maxBytes, String what) throws IOException {
        int bytes = bounded(unpacker.unpackRawStringHeader(), maxBytes, what + " bytes");
        return new String(unpacker.readPayload(bytes), StandardCharsets.UTF_8);
    }

    /** Bin as vllm-ascend writes its verbs, or str. */
    private static byte[] readBytes(MessageUnpacker unpacker, int maxBytes, String what) throws IOException {
        boolean isString = unpacker.getNextFormat().getValueType().isStringType();
        int bytes = isString ? unpacker.unpackRawStringHeader() : unpacker.unpackBinaryHeader();
        return unpacker.readPayload(bounded(bytes, maxBytes, what + " bytes"));
    }

    public static int bounded(int count, int limit, String what) {
        return ranged(count, 0, limit, what);
    }

    public static int ranged(int value, int least, int most, String what) {
        if (value < least || value > most) {
            throw corrupt(what + " " + value + " is not between " + least + " and " + most);
        }
        return value;
    }

    public static TransferException corrupt(String message) {
        return new TransferException(TransferException.Kind.CORRUPT, "side channel: " + message);
    }

    /** Writes one payload. */
    public interface Packing {
        void to(MessageBufferPacker packer) throws IOException;
    }

    /** Reads one payload. */
    public interface Unpacking<T> {
        T from(MessageUnpacker unpacker) throws IOException;
    }

    public static byte[] packed(Packing packing) {
        try (var packer = MessagePack.newDefaultBufferPacker()) {
            packing.to(packer);
            return packer.toByteArray();
        } catch (IOException e) {
            throw new IllegalStateException("packing into memory failed", e);
        }
    }

    public static <T> T unpacked(byte[] payload, int maxBytes, Unpacking<T> unpacking) {
        if (payload.length > maxBytes) {
            throw corrupt(payload.length + " bytes exceed " + maxBytes);
        }
        try (var unpacker = MessagePack.newDefaultUnpacker(payload)) {
            T value = unpacking.from(unpacker);
            if (unpacker.hasNext()) {
                throw corrupt("bytes behind the message");
            }
            return value;
        } catch (IOException | MessagePackException e) {
            throw new TransferException(
                    TransferException.Kind.CORRUPT, "side channel: not a message: " + e.getMessage(), e);
        }
    }
}
