package dev.tandem.preflight.npu;

import dev.tandem.preflight.ranktable.AscendOutput.Chip;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code npu-smi info -t spod-info -i CARD -c CHIP} says of an A3 device. Confirmed by vendor documents: lines {@code SDID : N}, {@code
 * Super Pod Size : N}, {@code Super Pod ID : N}, {@code Server Index : N}; card and chip of a device
 * are those of {@code npu-smi info -m}. Assumed, where that does not tell: device N is chip N mod 2 of card N / 2. A line that is missing
 * makes the whole answer unreadable, except the size.
 *
 * @param sdid number of the device in its super pod
 * @param podId of the super pod
 * @param serverIndex of the server in the super pod
 */
record SuperPodMembership(String sdid, String podId, String serverIndex) {
    private static final int CHIPS_PER_CARD = 2;

    /** Where a device is when {@code npu-smi info -m} does not tell: two chips on each card. */
    static Chip usualChip(int device) {
        return new Chip(device / CHIPS_PER_CARD, device % CHIPS_PER_CARD);
    }

    /** Arguments of {@code npu-smi} for one chip. */
    static List<String> arguments(Chip chip) {
        return List.of(
                "info", "-t", "spod-info", "-i", Integer.toString(chip.card()), "-c", Integer.toString(chip.chip()));
    }

    static Optional<SuperPodMembership> read(String output) {
        Optional<String> sdid = field(output, "SDID");
        Optional<String> podId = field(output, "Super Pod ID");
        Optional<String> server = field(output, "Server Index");
        return sdid.isPresent() && podId.isPresent() && server.isPresent()
                ? Optional.of(new SuperPodMembership(sdid.get(), podId.get(), server.get()))
                : Optional.empty();
    }

    private static Optional<String> field(String output, String name) {
        Matcher matcher = Pattern.compile("(?m)^\\s*" + name + "\\s*:\\s*(\\d{1,20})\\s*$")
                .matcher(output);
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    @Override
    public String toString() {
        return "SDID " + sdid + ", pod " + podId + ", server " + serverIndex;
    }
}
