package dev.tandem.api.access;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Which requests must carry which keys. Without any key every request is taken.
 *
 * @param keys as clients send them
 * @param file more keys, hashed and named, as {@link ApiKeys#read} reads them
 * @param openPaths exact paths that need no key
 */
public record ApiKeyRules(List<String> keys, Optional<Path> file, List<String> openPaths) {
    /** What needs no key unless somebody says otherwise: what load balancers ask. */
    public static final List<String> USUALLY_OPEN = List.of("/health", "/ping");

    /** No keys. */
    public static final ApiKeyRules NONE = new ApiKeyRules(List.of(), Optional.empty(), USUALLY_OPEN);

    public ApiKeyRules {
        keys = List.copyOf(keys);
        openPaths = List.copyOf(openPaths);
    }

    /** Whether requests need keys at all. */
    public boolean areSet() {
        return !keys.isEmpty() || file.isPresent();
    }

    /** The same with a key, where there is none yet. */
    public ApiKeyRules orKey(Optional<String> key) {
        return areSet() || key.isEmpty() ? this : new ApiKeyRules(List.of(key.get()), file, openPaths);
    }

    /** Without the keys: records are printed. */
    @Override
    public String toString() {
        return "ApiKeyRules[" + keys.size() + " keys, file=" + file + ", openPaths=" + openPaths + "]";
    }
}
