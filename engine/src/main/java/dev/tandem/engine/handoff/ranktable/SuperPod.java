package dev.tandem.engine.handoff.ranktable;

import java.util.regex.Pattern;

/**
 * Where a device stands in an Atlas A3 super pod.
 *
 * @param superPodId {@code super_pod_id}, as npu-smi's "Super Pod ID"
 * @param superDeviceId {@code super_device_id}, as npu-smi's "SDID"; unsigned 32 bits, decimal
 */
public record SuperPod(String superPodId, String superDeviceId) {
    private static final Pattern NAME = Pattern.compile("[0-9A-Za-z._-]{1,64}");
    private static final Pattern NUMBER = Pattern.compile("0|[1-9][0-9]{0,9}");

    public SuperPod {
        if (!NAME.matcher(superPodId).matches()) {
            throw RankTableException.refuse(
                    "super_pod_id", "1 to 64 letters, digits, '.', '_' or '-'", '\'' + superPodId + '\'');
        }
        if (!NUMBER.matcher(superDeviceId).matches() || Long.parseLong(superDeviceId) > 0xffff_ffffL) {
            throw RankTableException.refuse(
                    "super_device_id", "a decimal number of 32 bits", '\'' + superDeviceId + '\'');
        }
    }
}
