package dev.tandem.kernel;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which kernels this machine and this JVM run, and why. Vector code is only chosen where the optimising compiler will turn it into
 * vector instructions: without that it is many times slower than the scalar code.
 *
 * @param kernels the chosen implementation
 * @param reason one sentence for the log and the start report
 */
public record KernelSelection(Kernels kernels, String reason) {
    private static final Logger LOG = LoggerFactory.getLogger(KernelSelection.class);
    private static final String VECTOR_MODULE = "jdk.incubator.vector";

    /** The fastest kernels that work here; the choice is logged. */
    public static KernelSelection best() {
        var selection =
                new KernelSelection(new ScalarKernels(), obstacle().orElse("the specification is all there is"));
        LOG.info("kernels={} reason=\"{}\"", selection.kernels.name(), selection.reason);
        return selection;
    }

    /**
     * The kernels of that name.
     *
     * @param name {@code auto} or {@code scalar}
     * @throws IllegalArgumentException if there is no such name
     */
    public static KernelSelection named(String name) {
        return switch (name) {
            case "auto" -> best();
            case "scalar" -> new KernelSelection(new ScalarKernels(), "asked for");
            default -> throw new IllegalArgumentException("unknown kernels '" + name + "', expected auto or scalar");
        };
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
