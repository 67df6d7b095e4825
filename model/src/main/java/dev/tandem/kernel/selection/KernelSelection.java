package dev.tandem.kernel.selection;

import com.sun.management.HotSpotDiagnosticMXBean;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.kernel.vector.VectorKernels;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which kernels this machine and this JVM run, and why. Vector code is only chosen where the optimising compiler will turn it into
 * vector instructions: without that it is many times slower than the scalar code.
 */
public final class KernelSelection {
    private static final Logger LOG = LoggerFactory.getLogger(KernelSelection.class);
    private static final String VECTOR_MODULE = "jdk.incubator.vector";

    private final String name;
    private final String reason;
    private final Function<KernelThreads, Kernels> implementation;

    private KernelSelection(String name, String reason, Function<KernelThreads, Kernels> implementation) {
        this.name = name;
        this.reason = reason;
        this.implementation = implementation;
    }

    /** The fastest kernels that work here; the choice is logged. */
    public static KernelSelection best() {
        KernelSelection selection = obstacle().map(KernelSelection::scalar).orElseGet(KernelSelection::widest);
        LOG.info("kernels={} reason=\"{}\"", selection.name, selection.reason);
        return selection;
    }

    /**
     * The kernels of that name. The JVM fixes the width of its vectors when it starts, so a narrower one than the machine's needs a JVM
     * started with {@code -XX:MaxVectorSize=16} (vector-128) or {@code 32} (vector-256).
     *
     * @param name {@code auto}, {@code scalar}, {@code vector-128}, {@code vector-256} or {@code vector-512}
     * @throws IllegalArgumentException if there is no such name, or these kernels cannot run in this JVM; says why
     */
    public static KernelSelection named(String name) {
        return switch (name) {
            case "auto" -> best();
            case "scalar" -> scalar("asked for");
            case "vector-128", "vector-256", "vector-512" -> forced(name);
            default ->
                throw new IllegalArgumentException(
                        "unknown kernels '" + name + "', expected auto, scalar, vector-128, vector-256 or vector-512");
        };
    }

    /** {@code scalar}, {@code vector-512}, {@code vector-256} or {@code vector-128}: for logs and the start report. */
    public String name() {
        return name;
    }

    /** One sentence for the log and the start report. */
    public String reason() {
        return reason;
    }

    /** The chosen kernels for one rank, which work on its threads. */
    public Kernels kernels(KernelThreads threads) {
        return implementation.apply(threads);
    }

    private static KernelSelection forced(String name) {
        obstacle().ifPresent(obstacle -> {
            throw new IllegalArgumentException("kernels " + name + " cannot run here: " + obstacle);
        });
        KernelSelection widest = widest();
        if (!widest.name.equals(name)) {
            int bytes = Integer.parseInt(name.substring("vector-".length())) / Byte.SIZE;
            throw new IllegalArgumentException("kernels " + name + " cannot run here: this JVM has " + widest.name
                    + "; its vector width is chosen at start with -XX:MaxVectorSize=" + bytes);
        }
        return new KernelSelection(name, "asked for", widest.implementation);
    }

    private static KernelSelection scalar(String reason) {
        return new KernelSelection("scalar", reason, ScalarKernels::new);
    }

    private static KernelSelection widest() {
        return VectorKernels.isSupported()
                ? new KernelSelection(VectorKernels.NAME, "widest vectors of this machine", VectorKernels::new)
                : scalar("vectors of this machine are narrower than 128 bits");
    }

    private static Optional<String> obstacle() {
        if (ModuleLayer.boot().findModule(VECTOR_MODULE).isEmpty()) {
            return Optional.of("module " + VECTOR_MODULE + " is missing, start with --add-modules=" + VECTOR_MODULE);
        }
        if (flag("UseCompiler").filter("false"::equals).isPresent()) {
            return Optional.of("this JVM only interprets");
        }
        if (flag("TieredStopAtLevel").filter(level -> !"4".equals(level)).isPresent()) {
            return Optional.of("the optimising compiler C2 is off (TieredStopAtLevel)");
        }
        if (flag("UseJVMCICompiler").filter("true"::equals).isPresent()) {
            return Optional.of("a JVMCI compiler replaces C2");
        }
        return Optional.empty();
    }

    private static Optional<String> flag(String name) {
        var diagnostics = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        if (diagnostics == null) {
            return Optional.empty();
        }
        try {
            return Optional.of(diagnostics.getVMOption(name).getValue());
        } catch (IllegalArgumentException e) {
            return Optional.empty(); // this build of the JVM does not have the flag
        }
    }
}
