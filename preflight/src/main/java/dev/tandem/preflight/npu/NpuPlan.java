package dev.tandem.preflight.npu;

import java.nio.file.Path;
import java.time.Duration;

/**
 * What to ask, and within which bounds.
 *
 * @param tools where the vendor's programs are
 * @param generation whose queries are asked
 * @param devices 0 to devices - 1 are asked
 * @param bounds of the asking
 */
public record NpuPlan(Tools tools, Generation generation, int devices, Bounds bounds) {
    private static final int MAX_DEVICES = 256;

    /** Machines whose devices are asked differently. */
    public enum Generation {
        /** Addresses of the RoCE ports, {@code -ip}, {@code -ping}. */
        A2,
        /** Super pods: virtual addresses, {@code -vnic}, {@code -hccs_ping}, {@code npu-smi … spod-info}. */
        A3
    }

    /**
     * Where the vendor's programs and settings are.
     *
     * @param hccnTool program; a name without a slash is looked for on the PATH
     * @param npuSmi program; a name without a slash is looked for on the PATH
     * @param hccnConf {@code /etc/hccn.conf}
     */
    public record Tools(String hccnTool, String npuSmi, Path hccnConf) {}

    /**
     * @param query for one run of a program, tries included
     * @param parallel runs at a time
     */
    public record Bounds(Duration query, int parallel) {
        /** 10 seconds, 8 at a time. */
        public static final Bounds DEFAULT = new Bounds(Duration.ofSeconds(10), 8);
    }

    public NpuPlan {
        if (devices < 1 || devices > MAX_DEVICES) {
            throw new IllegalArgumentException("--devices " + devices + " is outside [1, " + MAX_DEVICES + "]");
        }
    }
}
