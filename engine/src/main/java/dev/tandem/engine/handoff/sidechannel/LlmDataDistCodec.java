package dev.tandem.engine.handoff.sidechannel;

import static dev.tandem.engine.handoff.sidechannel.SideChannelCodec.MAX_ID_BYTES;
import static dev.tandem.engine.handoff.sidechannel.SideChannelCodec.bounded;
import static dev.tandem.engine.handoff.sidechannel.SideChannelCodec.corrupt;
import static dev.tandem.engine.handoff.sidechannel.SideChannelCodec.packed;
import static dev.tandem.engine.handoff.sidechannel.SideChannelCodec.readString;
import static dev.tandem.engine.handoff.sidechannel.SideChannelCodec.unpacked;

import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.SuperPod;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneReceiving;
import dev.tandem.transfer.TransferException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessageUnpacker;

/**
 * The payloads of vllm-ascend's LLMDataDistCMgrConnector (v0.9.1 to v0.11.0), msgpack but for the last. Everything read here is
 * untrusted. Pure.
 *
 * <pre>
 *   question  [ 0, agent ]                       asks a prefill rank what it is, and says who asks
 *   answer    agent, and from ours also the keys of {@link SideChannelCodec}'s metadata
 *   agent     { "super_pod_id": str | nil, "server_id": str, "device_id": str, "device_ip": str,
 *               "super_device_id": str | nil, "cluster_id": int }             nil on A2; the fields of the rank table
 *   finished  [ 1, [ str requestId ] ]
 *   reply     the raw bytes "receiving decode finished"
 * </pre>
 */
public final class LlmDataDistCodec {
    private static final int METADATA_WANTED = 0;
    private static final int FINISHED = 1;
    private static final int AGENT_KEYS = 6;
    private static final int MAX_KEYS = 64;
    private static final int MAX_FIELD_BYTES = 256;
    private static final byte[] FINISHED_TAKEN = "receiving decode finished".getBytes(StandardCharsets.US_ASCII);

    private LlmDataDistCodec() {}

    /** What a prefill rank is sent. */
    public sealed interface Request {
        /** Somebody who is this device asks for the rank's metadata. */
        record Introduction(Device device) implements Request {}

        /** Nothing more is read of a request. */
        record Finished(DoneReceiving message) implements Request {}
    }

    /**
     * What a prefill rank says of itself.
     *
     * @param metadata where its KV lies; empty when it is none of ours
     */
    public record Answer(Device device, Optional<PeerMetadata> metadata) {}

    public static byte[] encodeQuestion(Device own) {
        return packed(packer -> {
            packer.packArrayHeader(2).packInt(METADATA_WANTED).packMapHeader(AGENT_KEYS);
            packAgent(packer, own);
        });
    }

    public static byte[] encodeFinished(String requestId) {
        return packed(packer ->
                packer.packArrayHeader(2).packInt(FINISHED).packArrayHeader(1).packString(requestId));
    }

    public static byte[] encodeAnswer(Device own, PeerMetadata metadata, RankEndpoint endpoint) {
        return packed(packer -> {
            packer.packMapHeader(AGENT_KEYS + SideChannelCodec.metadataKeys(metadata));
            packAgent(packer, own);
            SideChannelCodec.packMetadata(packer, metadata, endpoint.host(), endpoint.port());
        });
    }

    public static byte[] finishedTaken() {
        return FINISHED_TAKEN.clone();
    }

    public static boolean isFinishedTaken(byte[] answer) {
        return Arrays.equals(answer, FINISHED_TAKEN);
    }

    private static void packAgent(MessageBufferPacker packer, Device device) throws IOException {
        packText(packer, "super_pod_id", device.superPod().map(SuperPod::superPodId));
        packText(packer, "server_id", Optional.of(device.serverId()));
        packText(packer, "device_id", Optional.of(Integer.toString(device.deviceId())));
        packText(packer, "device_ip", Optional.of(device.deviceIp()));
        packText(packer, "super_device_id", device.superPod().map(SuperPod::superDeviceId));
        packer.packString("cluster_id").packInt(device.clusterId());
    }

    private static void packText(MessageBufferPacker packer, String key, Optional<String> value) throws IOException {
        packer.packString(key);
        if (value.isPresent()) {
            packer.packString(value.get());
        } else {
            packer.packNil();
        }
    }

    /** @throws TransferException CORRUPT when the payload is not a request */
    public static Request decodeRequest(byte[] payload) {
        return unpacked(payload, SideChannelCodec.MAX_REQUEST_BYTES, unpacker -> {
            int elements = unpacker.unpackArrayHeader();
            if (elements != 2) {
                throw corrupt("a request of " + elements + " elements");
            }
            int event = unpacker.unpackInt();
            return switch (event) {
                case METADATA_WANTED -> new Request.Introduction(readAgent(unpacker));
                case FINISHED -> new Request.Finished(readFinished(unpacker));
                default -> throw corrupt("unknown event " + event);
            };
        });
    }

    /** vllm-ascend reads the first element only, so newer ones may say more behind it. */
    private static DoneReceiving readFinished(MessageUnpacker unpacker) throws IOException {
        int elements = bounded(unpacker.unpackArrayHeader(), MAX_KEYS, "elements");
        if (elements == 0) {
            throw corrupt("a finished request without its id");
        }
        String requestId = readString(unpacker, MAX_ID_BYTES, "request id");
        for (int element = 1; element < elements; element++) {
            unpacker.skipValue();
        }
        return new DoneReceiving(requestId, Map.of(), OptionalLong.empty());
    }

    private static Device readAgent(MessageUnpacker unpacker) throws IOException {
        var agent = new AgentFields();
        int keys = bounded(unpacker.unpackMapHeader(), MAX_KEYS, "metadata keys");
        for (int key = 0; key < keys; key++) {
            agent.read(readString(unpacker, MAX_FIELD_BYTES, "metadata key"), unpacker);
        }
        return agent.toDevice();
    }

    /** @throws TransferException CORRUPT naming the key, when the payload is not an answer */
    public static Answer decodeAnswer(byte[] payload) {
        var agent = new AgentFields();
        unpacked(payload, SideChannelCodec.MAX_METADATA_BYTES, unpacker -> {
            int keys = bounded(unpacker.unpackMapHeader(), MAX_KEYS, "metadata keys");
            for (int key = 0; key < keys; key++) {
                agent.read(readString(unpacker, MAX_FIELD_BYTES, "metadata key"), unpacker);
            }
            return keys;
        });
        return new Answer(
                agent.toDevice(),
                agent.isOfOurs ? Optional.of(SideChannelCodec.decodeMetadata(payload)) : Optional.empty());
    }

    /** Fields in any order; filled while one payload is read. */
    private static final class AgentFields {
        private @Nullable String serverId;
        private @Nullable String deviceId;
        private @Nullable String deviceIp;
        private @Nullable String superPodId;
        private @Nullable String superDeviceId;
        private int clusterId;
        private boolean isOfOurs;

        void read(String key, MessageUnpacker unpacker) throws IOException {
            switch (key) {
                case "super_pod_id" -> superPodId = readText(unpacker, key);
                case "server_id" -> serverId = readText(unpacker, key);
                case "device_id" -> deviceId = readText(unpacker, key);
                case "device_ip" -> deviceIp = readText(unpacker, key);
                case "super_device_id" -> superDeviceId = readText(unpacker, key);
                case "cluster_id" -> clusterId = unpacker.unpackInt();
                default -> {
                    isOfOurs |= key.equals("te_rpc_port");
                    unpacker.skipValue();
                }
            }
        }

        Device toDevice() {
            String server = serverId;
            String device = deviceId;
            String ip = deviceIp;
            if (server == null || device == null || ip == null) {
                throw corrupt("metadata without "
                        + (server == null ? "server_id" : device == null ? "device_id" : "device_ip"));
            }
            if (!device.matches("0|[1-9][0-9]{0,5}")) {
                throw corrupt("device_id is not a number");
            }
            try {
                return new Device(server, Integer.parseInt(device), ip, superPod(), clusterId);
            } catch (RankTableException e) {
                throw corrupt(String.valueOf(e.getMessage()));
            }
        }

        private Optional<SuperPod> superPod() {
            String pod = superPodId;
            String device = superDeviceId;
            if ((pod == null) != (device == null)) {
                throw corrupt("metadata with only one of super_pod_id and super_device_id");
            }
            return pod == null || device == null ? Optional.empty() : Optional.of(new SuperPod(pod, device));
        }
    }

    private static @Nullable String readText(MessageUnpacker unpacker, String key) throws IOException {
        return unpacker.tryUnpackNil() ? null : readString(unpacker, MAX_FIELD_BYTES, key);
    }
}
