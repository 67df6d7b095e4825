package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Addresses;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.SuperPod;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What Ascend's tools print. Pure.
 *
 * <p>Confirmed by public documentation (the driver's manuals and source at gitcode.com/cann and gitcode.com/Ascend, sample outputs of
 * vllm-ascend, Yuanrong and HCCL):
 *
 * <pre>
 *   hccn_tool -i 0 -ip -g                         hccn_tool -i 0 -vnic -g             npu-smi info -t spod-info -i 0 -c 0
 *     ipaddr:10.86.1.80                             vnic link status: UP                  SDID             : 16777216
 *     netmask:255.255.255.0                         vnic ipaddr: 192.168.2.199            Super Pod Size   : 384
 *   without an address, status not 0:               vnic netmask: 255.255.255.0           Super Pod ID     : 0
 *     Get ipconf failed, because no ip                                                    Server Index     : 4
 *     was preset there!
 *   npu-smi info -m
 *     NPU ID    Chip ID    Chip Logic ID    [Chip Phy-ID]    Chip Name       the name may have blanks; "-" is not a compute chip
 *     0         0          0                0                Ascend910
 *     0         2          -                -                Mcu
 * </pre>
 *
 * Assumed, as the generator of vllm-ascend assumes it: that hccn_tool counts devices as the column Chip Logic ID does, that numbers are
 * decimal, that a tool which ends with status 0 has told the truth. Blanks around colons may differ; a value that comes twice, or not
 * at all, is refused.
 */
public final class AscendOutput {
    private static final String ANY_ADDRESS = "0.0.0.0";
    private static final Pattern CHIP = Pattern.compile("(\\d{1,5})\\s+(\\d{1,3})\\s+(\\d{1,4})\\s+.*\\S");

    private AscendOutput() {}

    /**
     * How npu-smi addresses a device.
     *
     * @param card NPU ID
     * @param chip Chip ID on it
     */
    public record Chip(int card, int chip) {}

    /** Reads the answer to {@code -ip -g}; empty when the output is not one. */
    static Optional<String> portAddress(String output) {
        return address(output, "ipaddr");
    }

    /** Reads the answer to {@code -vnic -g}; empty when the output is not one. */
    static Optional<String> virtualAddress(String output) {
        return address(output, "vnic ipaddr");
    }

    /** Reads the answer to {@code spod-info}; empty when the output is not one. */
    static Optional<SuperPod> superPod(String output) {
        Optional<String> pod = value(output, "Super Pod ID");
        Optional<String> device = value(output, "SDID");
        if (pod.isEmpty() || device.isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(new SuperPod(pod.get(), device.get()));
        } catch (RankTableException e) {
            return Optional.empty(); // the caller shows what was printed
        }
    }

    /** Reads the answer to {@code npu-smi info -m}: devices by their number; empty when the output has no table. */
    public static Map<Integer, Chip> chips(String output) {
        var chips = new TreeMap<Integer, Chip>();
        for (String line : output.lines().map(String::strip).toList()) {
            Matcher row = CHIP.matcher(line);
            if (row.matches()) {
                chips.put(
                        Integer.parseInt(row.group(3)),
                        new Chip(Integer.parseInt(row.group(1)), Integer.parseInt(row.group(2))));
            }
        }
        return chips;
    }

    private static Optional<String> address(String output, String key) {
        return value(output, key).filter(Addresses::isAddress).filter(address -> !address.equals(ANY_ADDRESS));
    }

    /** What stands behind {@code key:} at the beginning of the only line that has it. */
    private static Optional<String> value(String output, String key) {
        Pattern pattern = Pattern.compile("\\s*" + Pattern.quote(key) + "\\s*:\\s*(\\S+)\\s*");
        List<String> values = output.lines()
                .map(pattern::matcher)
                .filter(Matcher::matches)
                .map(matcher -> matcher.group(1))
                .toList();
        return values.size() == 1 ? Optional.of(values.getFirst()) : Optional.empty();
    }
}
