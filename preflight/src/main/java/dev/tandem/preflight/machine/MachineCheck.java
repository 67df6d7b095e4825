package dev.tandem.preflight.machine;

import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;

/** The rows of one machine, whatever runs on it: processors, kernels, memory, limits, interfaces. */
public final class MachineCheck {
    private static final String UNTOLD = "not reported here: only Linux has ";
    /** Features that kernels use or whose absence explains a speed; of x86 and of Arm. */
    private static final List<String> FEATURES = List.of(
            "avx2",
            "fma",
            "f16c",
            "avx512f",
            "avx512bw",
            "avx512_vnni",
            "avx512_bf16",
            "avx_vnni",
            "amx_tile",
            "amx_int8",
            "amx_bf16",
            "asimd",
            "asimddp",
            "asimdhp",
            "sve",
            "sve2",
            "i8mm",
            "bf16");

    private final SystemFiles files;

    private MachineCheck(SystemFiles files) {
        this.files = files;
    }

    /** All rows, in a fixed order. */
    public static List<Finding> run(SystemFiles files) {
        var check = new MachineCheck(files);
        var findings = new ArrayList<Finding>();
        findings.add(check.processors());
        findings.add(kernels());
        findings.add(check.memory());
        findings.add(check.openFiles());
        findings.add(check.numa());
        findings.add(check.hugePages());
        findings.addAll(interfaces());
        return findings;
    }

    private Finding processors() {
        int cores = Runtime.getRuntime().availableProcessors();
        Optional<String> flags = files.field("proc/cpuinfo", "flags").or(() -> files.field("proc/cpuinfo", "Features"));
        String features = flags.map(text -> {
                    var has = new TreeSet<>(Arrays.asList(text.split("\\s+", -1)));
                    return String.join(
                            " ", FEATURES.stream().filter(has::contains).toList());
                })
                .map(text -> text.isEmpty() ? "none of the features that are looked for" : text)
                .orElse("features " + UNTOLD + "/proc/cpuinfo");
        return Finding.of(Severity.NOTE, "processors", cores + " cores; " + features);
    }

    /** The model module chooses as it will in {@code serve}: both run with the same JVM flags. */
    private static Finding kernels() {
        KernelSelection selection = KernelSelection.best();
        String found = selection.name() + ": " + selection.reason();
        return selection.name().startsWith("vector")
                ? Finding.of(Severity.WELL, "kernels", found)
                : new Finding(
                        Severity.WARNING,
                        "kernels",
                        found,
                        "tokens are the same and come many times slower; start with the flags of jvm.options on a machine with"
                                + " vectors of 128 bits or more");
    }

    private Finding memory() {
        OptionalLong available = Memory.available(files);
        OptionalLong total = Memory.total(files);
        return available.isEmpty()
                ? Finding.of(Severity.NOTE, "memory", UNTOLD + "/proc/meminfo")
                : Finding.of(
                        Severity.NOTE,
                        "memory",
                        Bytes.text(available.getAsLong()) + " available"
                                + (total.isPresent() ? " of " + Bytes.text(total.getAsLong()) : ""));
    }

    /** The JVM raises its soft limit to the hard one when it starts, here as in {@code serve}. */
    private Finding openFiles() {
        Optional<String> line = files.text("proc/self/limits")
                .flatMap(text -> text.lines()
                        .filter(each -> each.startsWith("Max open files"))
                        .map(each -> each.substring("Max open files".length()).strip())
                        .findFirst());
        OptionalLong limit = SystemFiles.number(line);
        if (limit.isEmpty()) {
            return Finding.of(Severity.NOTE, "open files", UNTOLD + "/proc/self/limits");
        }
        long most = limit.getAsLong();
        String found = most == Long.MAX_VALUE ? "no limit" : Long.toString(most);
        if (most >= Thresholds.USUAL_OPEN_FILES) {
            return Finding.of(Severity.WELL, "open files", found);
        }
        return new Finding(
                most < Thresholds.FEWEST_OPEN_FILES ? Severity.ERROR : Severity.WARNING,
                "open files",
                found,
                "raise the hard limit to " + Thresholds.USUAL_OPEN_FILES
                        + " or more: ulimit -Hn, LimitNOFILE= of a service, --ulimit nofile= of a container");
    }

    private Finding numa() {
        return files.text("sys/devices/system/node/online")
                .map(nodes -> Finding.of(
                        Severity.NOTE,
                        "NUMA",
                        "nodes " + nodes
                                + (nodes.matches("\\d+")
                                        ? ""
                                        : "; kernel threads are not bound: numactl around serve binds them")))
                .orElseGet(() -> Finding.of(Severity.NOTE, "NUMA", UNTOLD + "/sys/devices/system/node"));
    }

    private Finding hugePages() {
        Optional<String> transparent = files.text("sys/kernel/mm/transparent_hugepage/enabled");
        Optional<String> reserved = files.field("proc/meminfo", "HugePages_Total");
        if (transparent.isEmpty() && reserved.isEmpty()) {
            return Finding.of(Severity.NOTE, "huge pages", UNTOLD + "/sys/kernel/mm and /proc/meminfo");
        }
        return Finding.of(
                Severity.NOTE,
                "huge pages",
                "transparent " + transparent.orElse("untold") + ", reserved " + reserved.orElse("untold"));
    }

    private static List<Finding> interfaces() {
        var findings = new ArrayList<Finding>();
        try {
            for (NetworkInterface each : NetworkInterface.networkInterfaces().toList()) {
                List<String> addresses =
                        each.inetAddresses().map(InetAddress::getHostAddress).toList();
                if (each.isUp() && !addresses.isEmpty()) {
                    findings.add(Finding.of(
                            Severity.NOTE,
                            "interface " + each.getName(),
                            String.format(Locale.ROOT, "%s, MTU %d", String.join(" ", addresses), each.getMTU())));
                }
            }
        } catch (SocketException e) {
            findings.add(Finding.of(Severity.WARNING, "interfaces", "cannot be listed: " + e.getMessage()));
        }
        return findings;
    }

    /** MTU of the interface that has an address; all of 127/8 is the loopback interface's. */
    public static OptionalLong mtu(InetAddress address) {
        try {
            NetworkInterface owner = NetworkInterface.getByInetAddress(
                    address.isLoopbackAddress() ? InetAddress.getLoopbackAddress() : address);
            return owner == null ? OptionalLong.empty() : OptionalLong.of(owner.getMTU());
        } catch (SocketException e) {
            return OptionalLong.empty(); // shown as unknown
        }
    }

    /** Whether {@code needed} bytes fit beside the reserve; empty where the system does not report what is free. */
    public static Optional<Finding> fits(SystemFiles files, String subject, long needed, String parts) {
        OptionalLong available = Memory.available(files);
        if (available.isEmpty()) {
            return Optional.empty();
        }
        String found =
                Bytes.text(needed) + " needed (" + parts + "), " + Bytes.text(available.getAsLong()) + " available";
        if (needed > available.getAsLong()) {
            return Optional.of(new Finding(
                    Severity.ERROR,
                    subject,
                    found,
                    "lower --kv-cache-memory-bytes or --gpu-memory-utilization, spread the nodes over more machines, or free"
                            + " memory"));
        }
        boolean isTight = needed * (1 + Thresholds.MEMORY_RESERVE) > available.getAsLong();
        return Optional.of(new Finding(
                isTight ? Severity.WARNING : Severity.WELL,
                subject,
                found,
                isTight ? "little is left for scratch, Java and the system" : ""));
    }
}
