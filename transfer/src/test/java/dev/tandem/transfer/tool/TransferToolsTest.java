package dev.tandem.transfer.tool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.transfer.Region;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class TransferToolsTest {
    private static final int SIZE = 12 << 20;

    private final TransferTarget target = TransferTarget.open(TransferConfig.of("127.0.0.1"), SIZE);
    private final TransferEngine engine = TransferEngine.start(TransferConfig.of("127.0.0.1"));
    private final String name = target.engine().segmentName();

    @AfterEach
    void close() {
        engine.close();
        target.close();
    }

    @Test
    void shouldSayWhereTheTargetIs() {
        JsonNode line = JsonMapper.shared().readTree(target.toJson());

        assertThat(line.path("target").stringValue()).isEqualTo(name);
        assertThat(line.path("addr").longValue()).isEqualTo(target.memory().address());
        assertThat(line.path("size").longValue()).isEqualTo(SIZE);
        assertThat(target.toJson()).doesNotContain("\n");
    }

    @Test
    void shouldServeUntilItsInputEnds() throws IOException {
        ByteArrayInputStream input = new ByteArrayInputStream(new byte[1_000]);

        TransferTarget.awaitEnd(input);

        assertThat(input.available()).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4 << 20, (4 << 20) + 1, 11 << 20})
    void shouldCopyAStreamThereAndBack(int bytes) throws IOException {
        byte[] source = new byte[bytes];
        new SplittableRandom(bytes).nextBytes(source);
        TransferCopy.RemoteAddress place =
                new TransferCopy.RemoteAddress(name, target.memory().address() + 13);
        ByteArrayOutputStream back = new ByteArrayOutputStream();

        TransferCopy.Copied written =
                TransferCopy.write(engine, place, Long.MAX_VALUE, new ByteArrayInputStream(source));
        TransferCopy.Copied read = TransferCopy.read(engine, place, bytes, back);

        assertThat(written).isEqualTo(new TransferCopy.Copied(bytes, true));
        assertThat(read.bytes()).isEqualTo(bytes);
        assertThat(back.toByteArray()).isEqualTo(source);
        assertThat(target.memory().get(ValueLayout.JAVA_BYTE, 12)).isZero();
        assertThat(target.memory().get(ValueLayout.JAVA_BYTE, 13L + bytes)).isZero();
    }

    @Test
    void shouldWriteNoMoreThanItMay() throws IOException {
        TransferCopy.RemoteAddress place =
                new TransferCopy.RemoteAddress(name, target.memory().address());

        TransferCopy.Copied written = TransferCopy.write(engine, place, 5, new ByteArrayInputStream(new byte[100]));

        assertThat(written.bytes()).isEqualTo(5);
    }

    @Test
    void shouldFailWhereThePeerRefuses() {
        TransferCopy.RemoteAddress place =
                new TransferCopy.RemoteAddress(name, target.memory().address() + SIZE - 10);

        assertThatThrownBy(() -> TransferCopy.read(engine, place, 11, OutputStream.nullOutputStream()))
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(TransferException.Kind.REJECTED));
    }

    @Test
    void shouldFailAsTheStreamFails() {
        TransferCopy.RemoteAddress place =
                new TransferCopy.RemoteAddress(name, target.memory().address());
        OutputStream broken = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("no space left");
            }
        };

        assertThatThrownBy(() -> TransferCopy.read(engine, place, SIZE, broken))
                .isInstanceOf(IOException.class)
                .hasMessage("no space left");
    }

    @Test
    void shouldKnowHowMuchLiesBehindAnAddress() {
        long address = target.memory().address();

        assertThat(TransferCopy.bytesBehind(engine, new TransferCopy.RemoteAddress(name, address + 100)))
                .isEqualTo(SIZE - 100);
        assertThatThrownBy(() -> TransferCopy.bytesBehind(engine, new TransferCopy.RemoteAddress(name, 1)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @EnumSource(Region.Operation.class)
    void shouldMeasureWhatItMoves(Region.Operation operation) {
        TransferBench.Shape shape = TransferBench.Shape.of(1 << 20);
        TransferBench.Plan plan =
                new TransferBench.Plan(name, operation, new TransferBench.Shape(1 << 20, 4), 2, Duration.ofMillis(50));

        TransferBench.Result result = TransferBench.run(engine, plan);
        JsonNode line = JsonMapper.shared().readTree(result.toJson());

        assertThat(shape.blocks()).isEqualTo(16);
        assertThat(result.bytes()).isPositive();
        assertThat(result.bytes() % (4 << 20)).isZero();
        assertThat(line.path("op").stringValue()).isEqualToIgnoringCase(operation.name());
        assertThat(line.path("bytes").longValue()).isEqualTo(result.bytes());
        assertThat(line.path("gb_per_s").isNumber()).isTrue();
        assertThat(line.path("cpu_s_per_gb").isNumber()).isTrue();
    }

    @Test
    void shouldRefuseABatchLargerThanTheTarget() {
        TransferBench.Plan plan = new TransferBench.Plan(
                name, Region.Operation.READ, new TransferBench.Shape(1 << 20, 13), 1, Duration.ofMillis(10));

        assertThatThrownBy(() -> TransferBench.run(engine, plan)).hasMessageContaining("does not fit");
    }
}
