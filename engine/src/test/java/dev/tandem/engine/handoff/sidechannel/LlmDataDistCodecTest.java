package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.Damage;
import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.SuperPod;
import dev.tandem.engine.handoff.sidechannel.LlmDataDistCodec.Request.Finished;
import dev.tandem.engine.handoff.sidechannel.LlmDataDistCodec.Request.Introduction;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneReceiving;
import dev.tandem.transfer.TransferException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The golden bytes are what msgspec 0.22 encodes of v0.11.0rc1's messages. */
class LlmDataDistCodecTest {
    private static final Device A2 = new Device("172.22.0.155", 0, "10.20.0.19", Optional.empty(), 17);
    private static final Device A3 =
            new Device("172.22.0.155", 3, "10.20.0.19", Optional.of(new SuperPod("0", "4194304")), 300);

    private static final String SERVER_ID = "a9" + ascii("server_id") + "ac" + ascii("172.22.0.155");
    private static final String DEVICE_IP = "a9" + ascii("device_ip") + "aa" + ascii("10.20.0.19");
    private static final String CLUSTER_ID = "aa" + ascii("cluster_id");

    /** The agent's fields in their order, as {@code msgspec.msgpack.encode} writes the struct, with nil on A2. */
    private static final String A2_FIELDS = "ac" + ascii("super_pod_id") + "c0" + SERVER_ID + "a9" + ascii("device_id")
            + "a130" + DEVICE_IP + "af" + ascii("super_device_id") + "c0" + CLUSTER_ID + "11";

    private static final String A3_FIELDS = "ac" + ascii("super_pod_id") + "a130" + SERVER_ID + "a9"
            + ascii("device_id") + "a133" + DEVICE_IP + "af" + ascii("super_device_id") + "a7" + ascii("4194304")
            + CLUSTER_ID + "cd012c";

    /** {@code msgspec.msgpack.encode([ReqForFinished, ["cmpl-7-0"]])}. */
    private static final String FINISHED = "920191a8636d706c2d372d30";

    @Test
    void shouldAskAsVllmAscendAsks() {
        assertThat(hex(LlmDataDistCodec.encodeQuestion(A2))).isEqualTo("9200" + "86" + A2_FIELDS);
        assertThat(hex(LlmDataDistCodec.encodeQuestion(A3))).isEqualTo("9200" + "86" + A3_FIELDS);
    }

    @Test
    void shouldReportTheEndAsVllmAscendReportsIt() {
        assertThat(hex(LlmDataDistCodec.encodeFinished("cmpl-7-0"))).isEqualTo(FINISHED);
        assertThat(new String(LlmDataDistCodec.finishedTaken(), StandardCharsets.US_ASCII))
                .isEqualTo("receiving decode finished");
        assertThat(LlmDataDistCodec.isFinishedTaken(LlmDataDistCodec.finishedTaken()))
                .isTrue();
        assertThat(LlmDataDistCodec.isFinishedTaken(SideChannelCodec.acknowledgement()))
                .isFalse();
    }

    @Test
    void shouldReadWhatVllmAscendSends() {
        assertThat(request("9200" + "86" + A2_FIELDS)).isEqualTo(new Introduction(A2));
        assertThat(request("9200" + "86" + A3_FIELDS)).isEqualTo(new Introduction(A3));
        assertThat(request(FINISHED))
                .isEqualTo(new Finished(new DoneReceiving("cmpl-7-0", Map.of(), OptionalLong.empty())));
        assertThat(request("920192a172c0"))
                .as("only the first element is the id")
                .isEqualTo(new Finished(new DoneReceiving("r", Map.of(), OptionalLong.empty())));
    }

    @Test
    void shouldReadAForeignAnswerAsOneWithoutAWayToItsMemory() {
        assertThat(LlmDataDistCodec.decodeAnswer(bytes("86" + A3_FIELDS)))
                .isEqualTo(new LlmDataDistCodec.Answer(A3, Optional.empty()));
    }

    @Test
    void shouldAnswerWithTheAgentFirstAndItsMemoryBehind() {
        var place = new RankEndpoint("172.22.0.155", 5557, 3, 16);
        byte[] answer = LlmDataDistCodec.encodeAnswer(A3, metadata(), place);
        assertThat(hex(answer)).startsWith("8f" + A3_FIELDS + "a9" + ascii("engine_id"));
        assertThat(LlmDataDistCodec.decodeAnswer(answer))
                .isEqualTo(new LlmDataDistCodec.Answer(A3, Optional.of(metadata())));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", // nothing
                "c0", // nil
                "90", // no element
                "9100", // one
                "930091a172c0", // three
                "920291a172", // event 2
                "92a14191a172", // a verb
                "920190", // no id
                "920191c0", // id is nil
                "9201dd7fffffff", // 2 billion ids
                "9201" + "91" + "db7fffffff", // id of 2 GiB
                "920080", // no field
                "920186", // cut off
                "9200df7fffffff", // 2 billion fields
                "920191a172ff", // bytes behind
                "92c40c6765745f6d6574615f6d7367a0" // a question of MooncakeConnector
            })
    void shouldRefuseWhatIsNoRequest(String hex) {
        assertCorrupt(() -> request(hex));
    }

    @Test
    void shouldRefuseAgentsThatNoRankTableCouldHold() {
        assertCorrupt(() -> request("9200" + "86" + A2_FIELDS.replace(ascii("172.22.0.155"), ascii("172.22.0.999"))));
        assertCorrupt(() -> request("9200" + "86" + A2_FIELDS.replace("a130", "a178")));
        assertCorrupt(() -> request("9200" + "86" + A2_FIELDS.replace(CLUSTER_ID + "11", CLUSTER_ID + "00")));
        assertCorrupt(() -> request(
                "9200" + "86" + A2_FIELDS.replaceFirst("c0" + SERVER_ID, "a130" + SERVER_ID))); // half of a super pod
    }

    /** Whatever a peer sends, the outcome is a value or a CORRUPT, never another exception. */
    @Test
    void shouldSurviveDamagedPayloads() {
        var random = new SplittableRandom(12);
        byte[] question = LlmDataDistCodec.encodeQuestion(A3);
        byte[] answer = LlmDataDistCodec.encodeAnswer(A3, metadata(), new RankEndpoint("172.22.0.155", 5557, 3, 16));
        int refused = 0;
        for (int round = 0; round < 20_000; round++) {
            boolean isAnswer = random.nextBoolean();
            byte[] damaged = Damage.of(isAnswer ? answer : question, random);
            try {
                if (isAnswer) {
                    LlmDataDistCodec.decodeAnswer(damaged);
                } else {
                    LlmDataDistCodec.decodeRequest(damaged);
                }
            } catch (TransferException e) {
                assertThat(e.kind()).isEqualTo(TransferException.Kind.CORRUPT);
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(5_000);
    }

    private static void assertCorrupt(org.assertj.core.api.ThrowableAssert.ThrowingCallable reading) {
        assertThatThrownBy(reading)
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(TransferException.Kind.CORRUPT));
    }

    private static PeerMetadata metadata() {
        return new PeerMetadata(
                "0",
                15_001,
                List.of(1L << 45, 1L << 46, 1L << 47, Long.MAX_VALUE >> 1),
                1 << 30,
                Optional.of(new PeerMetadata.Details("4f", 1, 4, KvFixtures.layout(16, 2, 3, 64))));
    }

    private static LlmDataDistCodec.Request request(String hex) {
        return LlmDataDistCodec.decodeRequest(bytes(hex));
    }

    private static byte[] bytes(String hex) {
        return HexFormat.of().parseHex(hex);
    }

    private static String ascii(String text) {
        return hex(text.getBytes(StandardCharsets.US_ASCII));
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }
}
