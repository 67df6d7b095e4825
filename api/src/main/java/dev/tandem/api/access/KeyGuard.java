package dev.tandem.api.access;

import dev.tandem.api.metrics.MetricName;
import dev.tandem.api.metrics.MetricsPage;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Asks requests for their keys, on the event loops of a server. The rule is one for all paths, known or not, so that a new route is guarded
 * from its first day: only the open list and the OPTIONS of browsers, which carry no headers of their own, are let through.
 */
public final class KeyGuard implements AutoCloseable {
    private final boolean isOn;
    private final Set<String> openPaths;
    private final FileWatch watch;
    /** Replaced by the thread that watches the file, read by event loops. */
    private volatile ApiKeys keys;

    /** Counted by event loops. */
    private final LongAdder refused = new LongAdder();

    /** Requests by the name of their key, counted by event loops; a name whose key has gone keeps its count. */
    private final Map<String, LongAdder> admitted = new ConcurrentHashMap<>();

    /** Where the counts are shown; set once by the thread that starts the server, read by the one that watches the file. */
    private volatile Optional<Series> series = Optional.empty();

    /** A page and the beginning of the names on it. */
    private record Series(MetricsPage page, String prefix) {}

    /**
     * Reads the keys and watches their file.
     *
     * @throws dev.tandem.api.ApiException UNUSABLE_FILE when the file cannot be used
     */
    public KeyGuard(ApiKeyRules rules) {
        this.isOn = rules.areSet();
        this.openPaths = new HashSet<>(rules.openPaths());
        ApiKeys given = ApiKeys.of(rules.keys());
        this.keys = given;
        take(given);
        this.watch = FileWatch.start(
                rules.file().stream().toList(),
                () -> rules.file().ifPresent(file -> take(given.and(ApiKeys.read(file)))));
    }

    private void take(ApiKeys read) {
        for (String name : read.names()) {
            if (admitted.putIfAbsent(name, new LongAdder()) == null) {
                series.ifPresent(shown -> show(shown, name));
            }
        }
        keys = read;
    }

    /**
     * Shows on a page how many requests came under each name, and how many had no key that is known.
     *
     * @param prefix of the names of these series
     */
    public void show(MetricsPage page, String prefix) {
        if (!isOn) {
            return;
        }
        page.counter(
                new MetricName(
                        prefix + "requests_without_key",
                        "Requests refused with 401: a client has a wrong key, or somebody tries paths."),
                refused::sum);
        var shown = new Series(page, prefix);
        series = Optional.of(shown);
        admitted.keySet().forEach(name -> show(shown, name));
    }

    private void show(Series shown, String name) {
        LongAdder count = admitted.computeIfAbsent(name, first -> new LongAdder());
        shown.page.counter(
                new MetricName(
                        shown.prefix + "client_requests",
                        "Requests by the name of the key that they carried.",
                        Map.of("client", name)),
                count::sum);
    }

    /** Whether a request needs a key. */
    public boolean guards(String method, @Nullable String path) {
        return isOn && !openPaths.contains(path) && !method.equals("OPTIONS");
    }

    /**
     * The name of the key that a request carries; empty when it is none that is known. Counts either.
     *
     * @param authorization the value of the header, if any
     */
    public Optional<String> admit(@Nullable String authorization) {
        Optional<String> name = keys.nameOf(authorization);
        LongAdder count = name.isPresent() ? admitted.getOrDefault(name.get(), refused) : refused;
        count.increment();
        return name;
    }

    @Override
    public void close() {
        watch.close();
    }
}
