package dev.tandem.systemtest.process;

import dev.tandem.api.Loopback;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * How children under test are started. In the build they run from the jars that ship, with a cache of loaded and linked classes (JEP 483,
 * 514, 515) that a first child records and that is kept for the build's later children: a child costs about a quarter less of the two cores.
 * Without a packed distribution (an IDE) they run from this JVM's class path and without a cache.
 */
final class ChildRuntime {
    static final Path ROOT = Path.of(System.getProperty("tandem.root"));

    /** Logs and ready files of this JVM's children. */
    static final Path FOLDER = folder();

    private static final Path JAVA = Path.of(System.getProperty("java.home"), "bin", "java");
    private static final Path CACHE = ROOT.resolve("systemtest/target/classes.aot");
    private static final Duration LIMIT = Duration.ofSeconds(300);

    /** Commands whose time goes into kernels, which need the optimising compiler. */
    private static final Set<String> COMPUTING = Set.of("serve", "quantize");

    private static final String CLASS_PATH = classPath();

    static final JavaRuntime NODE = runtime("node", options("kernel-tests.options"));

    /** For all other commands: they move bytes and end soon, so the first compiler is enough. */
    static final JavaRuntime SHORT_LIVED = runtime("short-lived", "-XX:TieredStopAtLevel=1\n");

    private ChildRuntime() {}

    private static Path folder() {
        try {
            return Files.createDirectories(
                    ROOT.resolve("systemtest/target/processes").resolve(System.getProperty("tandem.fork", "1")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How {@code tandem} with these arguments is started. */
    static JavaRuntime of(List<String> arguments) {
        return COMPUTING.contains(arguments.getFirst()) ? NODE : SHORT_LIVED;
    }

    /** The command line of a main class of the tests, which runs as a node does. */
    static List<String> command(Class<?> main) {
        String tests = main.getProtectionDomain().getCodeSource().getLocation().getPath();
        return List.of(
                NODE.java().toString(),
                "@" + NODE.optionsFile(),
                "-cp",
                NODE.classPath() + ":" + tests,
                main.getName());
    }

    private static String classPath() {
        String distribution = System.getProperty("tandem.distribution", "");
        if (distribution.isEmpty()) {
            return System.getProperty("java.class.path");
        }
        try {
            List<Path> jars = jars(Path.of(distribution));
            String classPath = jars.stream().map(Path::toString).collect(Collectors.joining(":"));
            Path lock = CACHE.resolveSibling("classes.aot.lock");
            try (var channel = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var held = channel.lock()) { // of two test JVMs, one records and the other waits
                if (held.isValid() && !isNewerThan(jars)) {
                    record(with(classPath, "recording", "-XX:AOTCacheOutput=" + CACHE + "\n"));
                }
            }
            return classPath;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static JavaRuntime runtime(String name, String further) {
        boolean hasCache = !CLASS_PATH.equals(System.getProperty("java.class.path"));
        try {
            return with(CLASS_PATH, name, hasCache ? further + "-XX:AOTCache=" + CACHE + "\n" : further);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A file of JVM options. */
    private static String options(String file) {
        try {
            return Files.readString(ROOT.resolve(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The project's own JVM options and further lines, in a file; the serial collector needs the least memory and threads. */
    private static JavaRuntime with(String classPath, String name, String further) throws IOException {
        String options = options("jvm.options") + "-XX:+UseSerialGC\n" + further;
        return new JavaRuntime(JAVA, Files.writeString(FOLDER.resolve(name + ".options"), options), classPath);
    }

    private static List<Path> jars(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".jar"))
                    .sorted()
                    .toList();
        }
    }

    private static boolean isNewerThan(List<Path> jars) throws IOException {
        if (!Files.exists(CACHE)) {
            return false;
        }
        for (Path jar : jars) {
            if (Files.getLastModifiedTime(jar).compareTo(Files.getLastModifiedTime(CACHE)) > 0) {
                return false;
            }
        }
        return true;
    }

    /** One node that warms up well, so that the cache has profiles of its kernels too (JEP 515), and answers; the cache is written when it ends. */
    private static void record(JavaRuntime runtime) throws IOException {
        Files.deleteIfExists(CACHE);
        var http = new Endpoint(Loopback.next(), TandemProcess.HTTP_PORT);
        List<String> arguments = List.of(
                "serve",
                ROOT.resolve("fixtures/golden/qwen3-moe-w8a8").toString(),
                "--served-model-name",
                Deployment.MODEL,
                "--max-model-len",
                "480",
                "--kv-transfer-config",
                Deployment.transfer("MooncakeConnector", "kv_producer", "0"),
                "--host",
                http.host(),
                "--port",
                Integer.toString(http.port()));
        Child child = Child.start(
                new ProcessPlan("recording", "prefill", http, arguments),
                runtime,
                FOLDER,
                Map.of("TANDEM_WARM_UP", "5000"));
        Await.until(
                LIMIT, () -> !child.isAlive() || child.report().isPresent(), () -> "not ready: " + child.logTail(60));
        if (child.isAlive()) {
            Client.post(URI.create("http://" + http + "/v1/completions"), Client.greedy(List.of(5, 6, 7, 8), 8));
        }
        child.askToStop();
        Await.until(LIMIT, () -> !child.isAlive(), () -> "has not written " + CACHE + ": " + child.logTail(60));
        if (!Files.exists(CACHE)) {
            throw new IllegalStateException("no cache was recorded: " + String.join("\n", child.logTail(60)));
        }
    }
}
