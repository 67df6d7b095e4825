package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.Loopback;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.preflight.host.HostBarrierException;
import dev.tandem.preflight.ranktable.RankTableRun.Rendezvous;
import dev.tandem.preflight.ranktable.RankTableRun.Result;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nodes on loopback addresses, each a thread, as if each were a process. */
class RankTableRunTest {
    private static final int PORT = 23_800;
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final Duration SHORT = Duration.ofSeconds(3);
    private static final DeviceCounts COUNTS = new DeviceCounts(2, 2, 4);

    @TempDir
    private Path folder;

    private final List<String> three = List.of(Loopback.next(), Loopback.next(), Loopback.next());

    private Path file(int node) {
        return folder.resolve("node" + node).resolve("ranktable.json");
    }

    private RankTableRun run(int node, DeviceCounts counts, Duration limit) throws IOException {
        Files.createDirectories(file(node).getParent());
        return new RankTableRun(
                new RankTablePlan(three, counts),
                new DeviceSource(Optional.of(DeviceKind.CPU), List.of(0, 1), Optional.empty()),
                new RankTableFile(file(node), false),
                new Rendezvous(PORT, limit));
    }

    private static FutureTask<Result> started(RankTableRun run, int node) {
        var task = new FutureTask<>(() -> run.run(List.of(node), line -> {}));
        Thread.ofVirtual().name("node-" + node).start(task);
        return task;
    }

    private static Throwable failure(FutureTask<Result> task) throws Exception {
        try {
            task.get(90, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            return e.getCause();
        }
        throw new AssertionError("it made a table");
    }

    private long filesIn(int node) throws IOException {
        try (Stream<Path> all = Files.list(file(node).getParent())) {
            return all.count();
        }
    }

    @Test
    void shouldWriteTheSameBytesOnAllNodes() throws Exception {
        var tasks = new ArrayList<FutureTask<Result>>();
        for (int node : List.of(2, 0, 1)) {
            tasks.add(started(run(node, COUNTS, LONG), node));
        }
        for (FutureTask<Result> task : tasks) {
            assertThat(task.get(90, TimeUnit.SECONDS).isKept()).isFalse();
        }
        byte[] bytes = Files.readAllBytes(file(0));
        assertThat(file(1)).hasBinaryContent(bytes);
        assertThat(file(2)).hasBinaryContent(bytes);
        RankTable table = RankTable.read(file(2));
        assertThat(table.prefill()).extracting("serverId").containsOnly(three.get(0));
        assertThat(table.decode())
                .extracting("deviceIp")
                .containsExactly(three.get(1), three.get(1), three.get(2), three.get(2));
        assertThat(IntStream.range(0, 3).mapToLong(node -> {
                    try {
                        return filesIn(node);
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                }))
                .containsOnly(1L);
    }

    @Test
    void shouldMakeTheSameTableAloneWhenAllNodesAreHere() throws Exception {
        Result result = run(0, COUNTS, LONG).run(List.of(0, 1, 2), line -> {});
        assertThat(result.kind()).isEqualTo(DeviceKind.CPU);
        assertThat(RankTable.read(file(0))).isEqualTo(result.table());
        assertThat(run(0, COUNTS, LONG).run(List.of(0, 1, 2), line -> {}).isKept())
                .isTrue();
    }

    @Test
    void shouldNameTheNodesThatAreMissing() throws Exception {
        var progress = new ConcurrentLinkedQueue<String>();
        RankTableRun first = run(0, COUNTS, SHORT);
        FutureTask<Result> second = started(run(1, COUNTS, SHORT), 1);
        assertThatThrownBy(() -> first.run(List.of(0), progress::add))
                .isInstanceOf(HostBarrierException.class)
                .hasMessageContaining(three.get(2));
        assertThat(progress).anyMatch(line -> line.contains("waiting for") && line.contains(three.get(2)));
        assertThat(failure(second)).isInstanceOf(HostBarrierException.class);
        assertThat(filesIn(0) + filesIn(1)).isZero();
    }

    @Test
    void shouldNameTheArgumentThatDiffers() throws Exception {
        FutureTask<Result> first = started(run(0, COUNTS, SHORT), 0);
        FutureTask<Result> other = started(run(1, new DeviceCounts(2, 3, 3), LONG), 1);
        assertThat(failure(other))
                .isInstanceOf(HostBarrierException.class)
                .hasMessageContaining("--prefill-device-cnt is 2 on " + three.get(0) + " and 3 on " + three.get(1));
        assertThat(failure(first))
                .hasMessageContaining("--prefill-device-cnt is 2 on " + three.get(0) + " and 3 on " + three.get(1));
    }

    @Test
    void shouldWriteNothingAnywhereWhenOneNodeHasAnotherTable() throws Exception {
        RankTableRun second = run(1, COUNTS, LONG);
        Files.writeString(file(1), Tables.text("cpu-2x4.json"));
        var tasks = List.of(started(run(0, COUNTS, LONG), 0), started(second, 1), started(run(2, COUNTS, LONG), 2));
        for (FutureTask<Result> task : tasks) {
            assertThat(failure(task))
                    .hasMessageContainingAll(
                            "node " + three.get(1) + ": ",
                            "differs: ",
                            "--force replaces it",
                            "no node has written anything");
        }
        assertThat(filesIn(0) + filesIn(2)).isZero();
        assertThat(file(1)).hasContent(Tables.text("cpu-2x4.json"));
    }

    @Test
    void shouldTellAllNodesWhoseDevicesCouldNotBeFoundOut() throws Exception {
        Files.createDirectories(file(2).getParent());
        var broken = new RankTableRun(
                new RankTablePlan(three, COUNTS),
                new DeviceSource(Optional.of(DeviceKind.A2), List.of(0, 1), Optional.empty()),
                new RankTableFile(file(2), false),
                new Rendezvous(PORT, LONG));
        var tasks = List.of(started(run(0, COUNTS, LONG), 0), started(run(1, COUNTS, LONG), 1), started(broken, 2));
        for (FutureTask<Result> task : tasks) {
            assertThat(failure(task))
                    .isInstanceOf(DeviceException.class)
                    .hasMessageContaining("node " + three.get(2) + ": hccn_tool is not here");
        }
    }

    @Test
    void shouldMeetWhateverStrangersSend() throws Exception {
        var isListening = new CountDownLatch(1);
        var first = run(0, COUNTS, LONG);
        var done = new CompletableFuture<Result>();
        Thread.ofVirtual().start(() -> {
            try {
                done.complete(first.run(List.of(0), line -> {
                    if (line.startsWith("waiting")) {
                        isListening.countDown();
                    }
                }));
            } catch (IOException | InterruptedException | RuntimeException e) {
                done.completeExceptionally(e);
            }
        });
        assertThat(isListening.await(60, TimeUnit.SECONDS)).isTrue();
        send(new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff});
        send("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        send(framed("{\"index\": 7, \"subject\": {}}"));
        send(framed("{\"index\": \"x\""));
        send(framed("[[[["));
        send(new byte[0]);
        var tasks = List.of(started(run(1, COUNTS, LONG), 1), started(run(2, COUNTS, LONG), 2));
        for (FutureTask<Result> task : tasks) {
            assertThat(task.get(90, TimeUnit.SECONDS).table())
                    .isEqualTo(done.get(90, TimeUnit.SECONDS).table());
        }
    }

    private static byte[] framed(String json) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        byte[] frame = new byte[4 + text.length];
        frame[3] = (byte) text.length;
        System.arraycopy(text, 0, frame, 4, text.length);
        return frame;
    }

    /** Waits until the barrier has let go of it, so that nothing is left to arrive later. */
    private void send(byte[] bytes) throws IOException {
        try (var socket = new Socket(InetAddress.ofLiteral(three.getFirst()), PORT)) {
            new DataOutputStream(socket.getOutputStream()).write(bytes);
            socket.shutdownOutput();
            socket.getInputStream().readAllBytes();
        }
    }
}
