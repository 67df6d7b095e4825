package dev.tandem.preflight.ranktable;

/**
 * How many devices.
 *
 * @param perNode of each node, {@code --npus-per-node}
 * @param prefill of the first nodes, {@code --prefill-device-cnt}
 * @param decode of those behind them, {@code --decode-device-cnt}
 */
public record DeviceCounts(int perNode, int prefill, int decode) {
    int used() {
        return prefill + decode;
    }
}
