package dev.tandem.transfer.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.transfer.wire.SegmentDescriptor.Buffer;
import dev.tandem.transfer.wire.SegmentDescriptor.Tcp;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SegmentDescriptorTest {
    private static final String GOLDEN =
            "{\"buffers\":[{\"addr\":123145302310912,\"length\":65536,\"name\":\"127.0.0.2:15001\"}],"
                    + "\"name\":\"127.0.0.2:15001\",\"protocol\":\"tcp\",\"tcp_data_port\":15002,\"tcp_proto_version\":2,"
                    + "\"timestamp\":\"2026-11-22 12:00:00.000000\"}\n";

    @Test
    void shouldWriteWhatMooncakeWrites() {
        assertThat(descriptor(123145302310912L, false).toJson("2026-11-22 12:00:00.000000"))
                .isEqualTo(GOLDEN);
    }

    @Test
    void shouldReadWhatMooncakeWrites() throws WireException {
        assertThat(SegmentDescriptor.parse(GOLDEN)).isEqualTo(descriptor(123145302310912L, false));
    }

    /** As 0.3.13.post1 answered. */
    @Test
    void shouldReadWhatANewerMooncakeWrites() throws WireException {
        String json = "{\"buffers\":[{\"addr\":140022040752144,\"length\":67108864,\"name\":\"127.0.0.1:16940\"}],"
                + "\"name\":\"127.0.0.1:16940\",\"protocol\":\"tcp\",\"rdma_server_name\":\"\",\"tcp_data_host\":\"127.0.0.1\","
                + "\"tcp_data_port\":15969,\"tcp_proto_version\":2,\"timestamp\":\"2026-11-22 13:06:07.071212\"}\n";

        SegmentDescriptor descriptor = SegmentDescriptor.parse(json);

        assertThat(descriptor.tcp()).isEqualTo(new Tcp(15969, "127.0.0.1", 2, false));
        assertThat(descriptor.buffers()).containsExactly(new Buffer("127.0.0.1:16940", 140022040752144L, 67108864));
    }

    @Test
    void shouldOfferChecksumsInAKeyOfItsOwn() throws WireException {
        String json = descriptor(1, true).toJson("now");

        assertThat(json).contains("\"tandem\":{\"crc32c\":true}");
        assertThat(SegmentDescriptor.parse(json)).isEqualTo(descriptor(1, true));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, (1L << 53) + 1, Long.MAX_VALUE, Long.MIN_VALUE, -1})
    void shouldKeepAll64BitsOfAnAddress(long address) throws WireException {
        SegmentDescriptor descriptor = descriptor(address, false);

        String json = descriptor.toJson("now");

        assertThat(json).contains("\"addr\":" + Long.toUnsignedString(address) + ",");
        assertThat(SegmentDescriptor.parse(json)).isEqualTo(descriptor);
    }

    @Test
    void shouldReadTheMinimalDescriptorAsVersion1() throws WireException {
        SegmentDescriptor descriptor =
                SegmentDescriptor.parse("{\"name\":\"h:1\",\"protocol\":\"tcp\",\"tcp_data_port\":2,\"buffers\":[]}");

        assertThat(descriptor)
                .isEqualTo(new SegmentDescriptor("h:1", List.of("tcp"), new Tcp(2, "", 1, false), List.of()));
    }

    @Test
    void shouldIgnoreUnknownKeysAndReadSeveralProtocols() throws WireException {
        SegmentDescriptor descriptor = SegmentDescriptor.parse("{\"name\":\"h:1\",\"protocol\":[\"rdma\",\"tcp\"],"
                + "\"tcp_data_port\":2,\"devices\":[{\"lid\":0}],\"x\":null,"
                + "\"buffers\":[{\"name\":\"h:1\",\"addr\":1,\"length\":2,\"protocol\":\"tcp\",\"rkey\":[1]}]}");

        assertThat(descriptor.protocols()).containsExactly("rdma", "tcp");
        assertThat(descriptor.buffers()).containsExactly(new Buffer("h:1", 1, 2));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "null",
                "[]",
                "{",
                "{}",
                "{\"name\":\"\",\"protocol\":\"tcp\"}",
                "{\"name\":\"h\",\"protocol\":7}",
                "{\"name\":\"h\",\"protocol\":[7]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"tcp_data_port\":65536}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"tcp_data_port\":-1}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"tcp_data_port\":1.5}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":{}}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[7]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[{\"name\":\"h\",\"addr\":0,\"length\":1}]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[{\"name\":\"h\",\"addr\":1,\"length\":0}]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[{\"name\":\"h\",\"addr\":1e3,\"length\":1}]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[{\"name\":\"h\",\"addr\":18446744073709551616,\"length\":1}]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[{\"name\":\"h\",\"addr\":-1,\"length\":1}]}",
                "{\"name\":\"h\",\"protocol\":\"tcp\",\"buffers\":[{\"name\":\"\",\"addr\":1,\"length\":1}]}"
            })
    void shouldRefuseADescriptorThatCannotBe(String json) {
        assertThatThrownBy(() -> SegmentDescriptor.parse(json)).isInstanceOf(WireException.class);
    }

    @Test
    void shouldRefuseOrReadEveryDamagedDescriptor() {
        SplittableRandom random = new SplittableRandom(7);
        int refused = 0;
        for (int round = 0; round < 5_000; round++) {
            StringBuilder damaged = new StringBuilder(GOLDEN);
            for (int i = 0; i <= random.nextInt(4); i++) {
                damaged.setCharAt(random.nextInt(damaged.length()), (char) (32 + random.nextInt(95)));
            }
            try {
                assertThat(SegmentDescriptor.parse(damaged.toString()).name()).isNotEmpty();
            } catch (WireException expected) {
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void shouldRefuseDeeplyNestedJson() {
        String nested = "[".repeat(100_000);

        assertThatThrownBy(() -> SegmentDescriptor.parse(nested)).isInstanceOf(WireException.class);
    }

    private static SegmentDescriptor descriptor(long address, boolean offersCrc32c) {
        return new SegmentDescriptor(
                "127.0.0.2:15001",
                List.of("tcp"),
                new Tcp(15002, "", 2, offersCrc32c),
                List.of(new Buffer("127.0.0.2:15001", address, 65536)));
    }
}
