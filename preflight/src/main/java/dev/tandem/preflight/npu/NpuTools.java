package dev.tandem.preflight.npu;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Where the vendor's programs are: named by a variable, where the driver puts them, or on the PATH. */
public final class NpuTools {
    private static final List<String> DRIVER_FOLDERS = List.of(
            "/usr/local/Ascend/driver/tools", "/usr/local/sbin", "/usr/local/bin", "/usr/local/Ascend/driver/bin");
    private static final Path CONF = Path.of("/etc/hccn.conf");

    private NpuTools() {}

    /** @param variables environment, of which {@code HCCN_TOOL_PATH} and {@code PATH} count */
    public static NpuPlan.Tools find(Map<String, String> variables) {
        String named = variables.getOrDefault("HCCN_TOOL_PATH", "").strip();
        return new NpuPlan.Tools(
                named.isEmpty() ? program("hccn_tool", variables) : named, program("npu-smi", variables), CONF);
    }

    /** Path of a program; its name alone where it is not found, which its run then reports. */
    private static String program(String name, Map<String, String> variables) {
        var folders = new ArrayList<>(DRIVER_FOLDERS);
        folders.addAll(List.of(variables.getOrDefault("PATH", "").split(File.pathSeparator, -1)));
        return folders.stream()
                .filter(folder -> !folder.isBlank())
                .map(folder -> Path.of(folder, name))
                .filter(Files::isExecutable)
                .map(Path::toString)
                .findFirst()
                .orElse(name);
    }
}
