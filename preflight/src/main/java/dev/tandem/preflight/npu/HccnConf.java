package dev.tandem.preflight.npu;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code /etc/hccn.conf}: what the driver gives the devices after a restart. Lines of the form {@code address_0=10.0.0.1}, {@code
 * netmask_0=…}, {@code gateway_0=…}, {@code netdetect_0=…}, of which other keys are kept and not judged (confirmed by the tool's published
 * source, which reads and writes them).
 *
 * @param values by key with its device, {@code address_0}
 */
record HccnConf(Map<String, String> values) {
    private static final Pattern LINE = Pattern.compile("^\\s*([A-Za-z0-9]+_\\d{1,3})\\s*=\\s*(.*?)\\s*$");
    private static final int MAX_BYTES = 1 << 20;

    HccnConf {
        values = Map.copyOf(values);
    }

    static HccnConf parse(String text) {
        var values = new TreeMap<String, String>();
        text.lines().forEach(line -> {
            Matcher matcher = LINE.matcher(line);
            if (matcher.matches()) {
                values.put(matcher.group(1), matcher.group(2));
            }
        });
        return new HccnConf(values);
    }

    /** @throws IOException when it cannot be read */
    static HccnConf read(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return parse(new String(in.readNBytes(MAX_BYTES), StandardCharsets.UTF_8));
        }
    }

    /** How many devices have an address in the file. */
    long addressCount() {
        return values.keySet().stream()
                .filter(key -> key.startsWith("address_"))
                .count();
    }

    Optional<String> address(int device) {
        return Optional.ofNullable(values.get("address_" + device));
    }
}
