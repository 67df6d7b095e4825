package dev.tandem.engine.cluster.expert;

import static dev.tandem.engine.cluster.expert.ExpertFixture.EXPERTS;
import static dev.tandem.engine.cluster.expert.ExpertFixture.HIDDEN;
import static dev.tandem.engine.cluster.expert.ExpertFixture.rows;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ConnectingGreeting;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.expert.ExpertFixture.Process;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ExpertServerTest {
    private final ExpertFixture fixture = new ExpertFixture(4);
    private Process owner;

    @BeforeEach
    void start() throws IOException {
        owner = fixture.process(0, 4);
    }

    @AfterEach
    void close() {
        fixture.close();
    }

    /** One that sends whatever a test wants. */
    private final class Caller implements FrameChannel.FrameHandler, AutoCloseable {
        final BlockingQueue<String> errors = new LinkedBlockingQueue<>();
        final BlockingQueue<float[]> results = new LinkedBlockingQueue<>();
        final CompletableFuture<Boolean> welcome = new CompletableFuture<>();
        final CompletableFuture<String> end = new CompletableFuture<>();
        final FrameChannel channel;
        private ConnectingGreeting greeting;

        Caller(String token) throws IOException {
            this.channel = FrameChannel.connect(
                    new InetSocketAddress("127.0.0.1", owner.runtime().port()),
                    Duration.ofSeconds(30),
                    ExpertFixture.LIMITS,
                    opened -> {
                        greeting = new ConnectingGreeting(
                                opened,
                                fixture.terms(ExpertFixture.placement(0, 1, 0)),
                                ClusterSecret.of(token),
                                Wire.EXPERTS);
                        return this;
                    });
        }

        Caller greeted() throws Exception {
            assertThat(welcome.get(30, TimeUnit.SECONDS)).isTrue();
            return this;
        }

        @Override
        public void received(FrameKind kind, ByteBuffer body) throws FrameException {
            if (!welcome.isDone()) {
                if (greeting.isWelcomedBy(kind, body)) {
                    welcome.complete(true);
                }
                return;
            }
            ExpertFrames.readId(body);
            if (kind == FrameKind.EXPERT_ERROR) {
                errors.add(ExpertFrames.readError(body));
            } else {
                int rows = body.getInt();
                var values = new float[rows * HIDDEN];
                body.asFloatBuffer().get(values);
                results.add(values);
            }
        }

        @Override
        public void closed(String cause) {
            welcome.complete(false);
            end.complete(cause);
        }

        void call(byte[] body) {
            assertThat(channel.send(FrameKind.EXPERT_CALL, body)).isTrue();
        }

        String error() throws InterruptedException {
            String error = errors.poll(30, TimeUnit.SECONDS);
            assertThat(error).as("no error came").isNotNull();
            return error;
        }

        @Override
        public void close() {
            channel.close();
        }
    }

    private static byte[] call(ExpertRows rows) {
        var range = RowRange.of(rows, 0, EXPERTS);
        var body = new byte[ExpertFrames.callBytes(range, HIDDEN)];
        return Arrays.copyOf(body, ExpertFrames.writeCall(body, 7, rows, range));
    }

    private static byte[] with(byte[] call, int at, int value) {
        byte[] changed = call.clone();
        ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
        return changed;
    }

    @Test
    void shouldAnswerSeveralCallsOverOneConnection() throws Exception {
        try (Caller caller = new Caller("the cluster's secret").greeted()) {
            for (int seed = 0; seed < 20; seed++) {
                caller.call(call(rows(seed)));
            }
            var answers = new ArrayList<float[]>();
            for (int seed = 0; seed < 20; seed++) {
                answers.add(caller.results.poll(30, TimeUnit.SECONDS));
            }
            for (int seed = 0; seed < 20; seed++) { // calls may overtake each other
                float[] expected = ExpertFixture.expected(rows(seed));
                assertThat(answers).anyMatch(answer -> Arrays.equals(answer, expected));
            }
        }
    }

    @Test
    void shouldNameTheFieldOfACallThatDoesNotFitAndGoOn() throws Exception {
        byte[] good = call(rows(1));
        var bad = new LinkedHashMap<String, byte[]>();
        bad.put("layer is 3, but must be 0 to 2", with(good, 8, 3));
        bad.put("layer is -1, but must be 0 to 2", with(good, 8, -1));
        bad.put("experts of layer 0 is 0, but must be 1 to 2147483647", with(good, 8, 0));
        bad.put("rows is 0, but must be 1 to", with(good, 12, 0));
        bad.put("rows is 2000000000, but must be 1 to", with(good, 12, 2_000_000_000));
        bad.put("pairs is 11, but must be 1 to 10", with(good, 16, 11));
        bad.put("bytes behind the header of EXPERT_CALL is", Arrays.copyOf(good, good.length - 1));
        bad.put("expert of pair 0 is 10, but must be 0 to 9", with(good, 20, 10));
        bad.put("expert of pair 1 is 0, but must be", with(good, 28, 0));
        bad.put("rows of expert", with(good, 24, 0));
        bad.put("rows of all experts is", with(good, 24, 1));
        try (Caller caller = new Caller("the cluster's secret").greeted()) {
            for (var each : bad.entrySet()) {
                caller.call(each.getValue());
                assertThat(caller.error()).startsWith(each.getKey());
            }
            caller.call(good);
            assertThat(caller.results.poll(30, TimeUnit.SECONDS)).isEqualTo(ExpertFixture.expected(rows(1)));
            assertThat(owner.count(ClusterCounter.EXPERT_CALLS_REFUSED)).isEqualTo(bad.size());
        }
    }

    @Test
    void shouldEndTheConnectionOfWhoeverDoesNotGreetFirst() throws Exception {
        try (var stranger = new Caller("a stranger's guess")) {
            assertThat(stranger.welcome.get(30, TimeUnit.SECONDS)).isFalse();
            assertThat(stranger.end.get(30, TimeUnit.SECONDS)).contains("cluster token");
        }
        var handler = new FrameChannel.FrameHandler() {
            final CompletableFuture<String> end = new CompletableFuture<>();

            @Override
            public void received(FrameKind kind, ByteBuffer body) {
                // the challenge
            }

            @Override
            public void closed(String cause) {
                end.complete(cause);
            }
        };
        try (var rude = FrameChannel.connect(
                new InetSocketAddress("127.0.0.1", owner.runtime().port()),
                Duration.ofSeconds(30),
                ExpertFixture.LIMITS,
                channel -> handler)) {
            rude.send(FrameKind.EXPERT_CALL, call(rows(1, 2)));
            handler.end.get(30, TimeUnit.SECONDS);
        }
        assertThat(owner.count(ClusterCounter.EXPERT_ROWS_SERVED)).isZero();
    }

    @Test
    void shouldSurviveDamagedCalls() throws Exception {
        byte[] good = call(rows(1));
        Caller caller = new Caller("the cluster's secret").greeted();
        for (int seed = 0; seed < 300; seed++) {
            var random = new SplittableRandom(seed);
            byte[] bad = random.nextInt(4) == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
            for (int flips = random.nextInt(1, 5); flips > 0 && bad.length > 0; flips--) {
                bad[random.nextInt(Math.min(60, bad.length))] = (byte) random.nextInt();
            }
            if (!caller.channel.send(FrameKind.EXPERT_CALL, bad)) {
                caller.close();
                caller = new Caller("the cluster's secret").greeted();
            }
        }
        caller.close();
        try (Caller after = new Caller("the cluster's secret").greeted()) {
            after.call(good);
            assertThat(after.results.poll(30, TimeUnit.SECONDS)).isEqualTo(ExpertFixture.expected(rows(1)));
        }
        assertThat(owner.runtime().isHealthy()).isTrue();
    }

    @Test
    void shouldCutRowsIntoTasksByWholeExpertsWithoutLosingAny() {
        for (int seed = 0; seed < 50; seed++) {
            ExpertRows rows = rows(seed);
            for (int parts = 1; parts <= 12; parts++) {
                int next = 0;
                for (ExpertTask task :
                        ExpertRuntime.split(rows, RowRange.of(rows, 0, EXPERTS), parts, new Arrivals())) {
                    assertThat(task.range().fromRow()).isEqualTo(next);
                    assertThat(rows.firstRow(task.range().toExpert()))
                            .isEqualTo(task.range().toRow());
                    next = task.range().toRow();
                }
                assertThat(next).isEqualTo(rows.rows());
            }
        }
    }

    @Test
    void shouldCarryPartsThatBeginInTheMiddleOfAnExpert() throws Exception {
        ExpertRows rows = rows(4, 30);
        var range = new RowRange(0, EXPERTS, 3, rows.rows() - 2);
        var body = new byte[ExpertFrames.callBytes(range, HIDDEN)];
        int bytes = ExpertFrames.writeCall(body, 9, rows, range);
        ByteBuffer read = ByteBuffer.wrap(body, 0, bytes).order(ByteOrder.LITTLE_ENDIAN);
        var header = ExpertFrames.readHeader(read);
        var copy = new ExpertRows(header.rows(), HIDDEN, EXPERTS);
        ExpertFrames.check(header, read, ExpertShape.of(ExpertFixture.bank(), HIDDEN));
        ExpertFrames.readCall(header, read, copy);
        Matrix results = Matrix.of(rows.rows(), HIDDEN);
        for (int expert = 0; expert < EXPERTS; expert++) {
            assertThat(copy.firstRow(expert + 1) - copy.firstRow(expert)).isEqualTo(range.rowsOf(rows, expert));
        }
        System.arraycopy(copy.x().values(), 0, results.values(), results.offset(3), header.rows() * HIDDEN);
        assertThat(Arrays.copyOfRange(results.values(), 3 * HIDDEN, (rows.rows() - 2) * HIDDEN))
                .isEqualTo(Arrays.copyOfRange(rows.x().values(), 3 * HIDDEN, (rows.rows() - 2) * HIDDEN));
    }

    @Test
    void shouldShowNoControlCharacterOfAPeersError() {
        byte[] error = ExpertFrames.error(7, "a\n\u001b[2Jb\u009b2Jc");

        String shown = ExpertFrames.readError(ByteBuffer.wrap(error).position(Long.BYTES));

        assertThat(shown).isEqualTo("a??[2Jb?2Jc");
    }
}
