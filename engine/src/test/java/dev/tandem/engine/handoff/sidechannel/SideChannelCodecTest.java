package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.Damage;
import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneReceiving;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.GetMetadata;
import dev.tandem.transfer.TransferException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SideChannelCodecTest {
    /** {@code msgspec.msgpack.encode((b"get_meta_msg", ""))}. */
    private static final String GET_META = "92" + "c40c" + "6765745f6d6574615f6d7367" + "a0";

    /** {@code msgspec.msgpack.encode((b"done_recving_msg", "cmpl-7-0"))}. */
    private static final String DONE = "92" + "c410" + "646f6e655f72656376696e675f6d7367" + "a8" + "636d706c2d372d30";

    /** {@code msgspec.msgpack.encode(MooncakeAgentMetadata("0", 15001, [2**45, 2**46], 100))} of v0.11.0rc1. */
    private static final String FOREIGN_METADATA = "84"
            + "a9656e67696e655f6964" + "a130"
            + "ab74655f7270635f706f7274" + "cd3a99"
            + "b36b765f6361636865735f626173655f61646472" + "92" + "cf0000200000000000" + "cf0000400000000000"
            + "aa6e756d5f626c6f636b73" + "64";

    @Test
    void shouldWriteRequestsAsVllmAscendDoes() {
        assertThat(hex(SideChannelCodec.encodeGetMetadata())).isEqualTo(GET_META);
        String announced =
                "93" + DONE.substring(2) + "81" + "cd7530" + "82" + "a36e756d" + "02" + "a4686f7374" + "a168";
        assertThat(hex(SideChannelCodec.encodeDoneReceiving(
                        "cmpl-7-0", "h", new TreeMap<>(Map.of(30_000, 2)), OptionalLong.empty())))
                .as(
                        "msgspec.msgpack.encode((b\"done_recving_msg\", \"cmpl-7-0\", {30000: {\"num\": 2, \"host\": \"h\"}}))")
                .isEqualTo(announced);
        assertThat(new String(SideChannelCodec.acknowledgement(), StandardCharsets.US_ASCII))
                .isEqualTo("ACK");
    }

    @Test
    void shouldReadRequestsAsVllmAscendWritesThem() {
        assertThat(request(GET_META)).isEqualTo(new GetMetadata());
        assertThat(request(DONE)).isEqualTo(new DoneReceiving("cmpl-7-0", Map.of(), OptionalLong.empty()));
    }

    @Test
    void shouldNameTheLeaseToNodesOfOurOwn() {
        long lease = (1L << 52) + 7;
        var sends = new TreeMap<>(Map.of(30_000, 1));
        byte[] received = SideChannelCodec.encodeDoneReceiving("r", "h", sends, OptionalLong.of(lease));
        assertThat(SideChannelCodec.decodeRequest(received))
                .isEqualTo(new DoneReceiving("r", sends, OptionalLong.of(lease)));
        byte[] sent = SideChannelCodec.encodeDoneSending("r", lease, List.of(-1, 0, Integer.MIN_VALUE));
        assertThat(SideChannelCodec.decodeRequest(sent))
                .isEqualTo(new SideChannelMessage.DoneSending(
                        "r", OptionalLong.of(lease), List.of(-1, 0, Integer.MIN_VALUE)));
    }

    @Test
    void shouldReadVerbsThatAreStrings() {
        assertThat(request("92" + "ac6765745f6d6574615f6d7367" + "a0")).isEqualTo(new GetMetadata());
        assertThat(request("92" + "b0646f6e655f72656376696e675f6d7367" + "a172"))
                .isEqualTo(new DoneReceiving("r", Map.of(), OptionalLong.empty()));
    }

    @Test
    void shouldReadHowManyDoneMessagesNewerNodesAnnounce() {
        String verb = "c410" + "646f6e655f72656376696e675f6d7367" + "a172";
        assertThat(request("93" + verb + "80")).isEqualTo(new DoneReceiving("r", Map.of(), OptionalLong.empty()));
        assertThat(request("93" + verb + "c0")).isEqualTo(new DoneReceiving("r", Map.of(), OptionalLong.empty()));
        // {30000: {"num": 2, "host": "h"}}
        var announced =
                (DoneReceiving) request("93" + verb + "81cd7530" + "82" + "a36e756d" + "02" + "a4686f7374" + "a168");
        assertThat(announced.sendsByPort()).isEqualTo(Map.of(30_000, 2));
    }

    @Test
    void shouldReadMetadataAsVllmAscendWritesIt() {
        PeerMetadata metadata = SideChannelCodec.decodeMetadata(bytes(FOREIGN_METADATA));
        assertThat(metadata)
                .isEqualTo(new PeerMetadata("0", 15_001, List.of(1L << 45, 1L << 46), 100, Optional.empty()));
    }

    @Test
    void shouldKeepTheWholeLayoutThroughMetadata() {
        PeerMetadata metadata = metadata();
        assertThat(SideChannelCodec.decodeMetadata(SideChannelCodec.encodeMetadata(metadata, "127.0.0.2", 30_000)))
                .isEqualTo(metadata);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", // nothing
                "c0", // nil
                "90", // no element
                "91a0", // one
                "94a0a0a0a0", // four
                "92a568656c6c6fa0", // unknown verb
                "92c40c6765745f6d6574615f6d7367", // cut off
                "92c40c6765745f6d6574615f6d7367a0ff", // bytes behind
                "ddffffffff", // an array of 4 billion
                "92c6ffffffff", // a bin of 4 GiB
                "92c67fffffff00", // a bin of 2 GiB
                "92c410646f6e655f72656376696e675f6d736701", // id is an int
                "92c410646f6e655f72656376696e675f6d7367db7fffffff", // id of 2 GiB
                "93c410646f6e655f72656376696e675f6d7367a172df7fffffff", // 2 billion ports
                "92c40c6765745f6d6574615f6d7367dd7fffffff", // behind the verb an array of 2 billion
                "474554202f20485454502f312e310d0a" // GET / HTTP/1.1
            })
    void shouldRefuseWhatIsNoRequest(String hex) {
        assertThatThrownBy(() -> request(hex))
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(TransferException.Kind.CORRUPT));
    }

    @Test
    void shouldRefuseDeepNesting() {
        byte[] deep = new byte[60_000];
        Arrays.fill(deep, (byte) 0x91);
        byte[] head = bytes("92c40c6765745f6d6574615f6d7367");
        System.arraycopy(head, 0, deep, 0, head.length);
        assertThatThrownBy(() -> SideChannelCodec.decodeRequest(deep)).isInstanceOf(TransferException.class);
        assertThatThrownBy(() -> SideChannelCodec.decodeMetadata(deep)).isInstanceOf(TransferException.class);
    }

    @Test
    void shouldRefuseOversizedPayloads() {
        assertThatThrownBy(() -> SideChannelCodec.decodeRequest(new byte[SideChannelCodec.MAX_REQUEST_BYTES + 1]))
                .hasMessageContaining("exceed");
        assertThatThrownBy(() -> SideChannelCodec.decodeMetadata(new byte[SideChannelCodec.MAX_METADATA_BYTES + 1]))
                .hasMessageContaining("exceed");
    }

    /** Whatever a peer sends, the answer is a value or a CORRUPT, never another exception. */
    @Test
    void shouldSurviveDamagedPayloads() {
        var random = new SplittableRandom(11);
        byte[] metadata = SideChannelCodec.encodeMetadata(metadata(), "127.0.0.2", 30_000);
        byte[] done = bytes(DONE);
        int refused = 0;
        for (int round = 0; round < 20_000; round++) {
            boolean isMetadata = random.nextBoolean();
            byte[] damaged = Damage.of(isMetadata ? metadata : done, random);
            try {
                if (isMetadata) {
                    SideChannelCodec.decodeMetadata(damaged);
                } else {
                    SideChannelCodec.decodeRequest(damaged);
                }
            } catch (TransferException e) {
                assertThat(e.kind()).isEqualTo(TransferException.Kind.CORRUPT);
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(5_000);
    }

    private static PeerMetadata metadata() {
        return new PeerMetadata(
                "0",
                15_001,
                List.of(1L << 45, 1L << 46, 1L << 47, Long.MAX_VALUE >> 1),
                1 << 30,
                Optional.of(new PeerMetadata.Details("4f", 1, 4, KvFixtures.layout(16, 2, 3, 64))));
    }

    private static SideChannelMessage request(String hex) {
        return SideChannelCodec.decodeRequest(bytes(hex));
    }

    private static byte[] bytes(String hex) {
        return HexFormat.of().parseHex(hex);
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }
}
