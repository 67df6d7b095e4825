package dev.tandem.preflight.npu;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code -ping -g address A} (A2) and {@code -hccs_ping -g address A} (A3) write. Confirmed by vendor documents and the published
 * source: {@code 3 packets transmitted, 3 received, 0.00% packet loss} (A3: {@code packets loss}), before it lines of each packet with
 * {@code time=0.065000ms} (A2) or {@code time = 12.345us} (A3). Assumed: no answer without a summary line means that nothing came back.
 *
 * @param sent packets
 * @param received answers
 * @param slowestMs of the answers
 */
record PingAnswer(int sent, int received, Optional<Double> slowestMs) {
    private static final Pattern SUMMARY =
            Pattern.compile("(\\d{1,6}) packets transmitted, (\\d{1,6}) received, ([0-9.]+)% packets? loss");
    private static final Pattern TIME = Pattern.compile("seq[^\\n]*?time ?= ?([0-9.]{1,15})(ms|us)");
    private static final double US_PER_MS = 1000;

    /** Reads what the tool wrote; empty when the summary line is missing. */
    static Optional<PingAnswer> read(String output) {
        Matcher summary = SUMMARY.matcher(output);
        if (!summary.find()) {
            return Optional.empty();
        }
        Optional<Double> slowest = Optional.empty();
        Matcher time = TIME.matcher(output);
        while (time.find()) {
            double value = Double.parseDouble(time.group(1)) / (time.group(2).equals("us") ? US_PER_MS : 1);
            slowest = Optional.of(Math.max(value, slowest.orElse(0.0)));
        }
        return Optional.of(
                new PingAnswer(Integer.parseInt(summary.group(1)), Integer.parseInt(summary.group(2)), slowest));
    }

    /** Whether all packets came back. */
    boolean isWell() {
        return sent > 0 && received == sent;
    }
}
