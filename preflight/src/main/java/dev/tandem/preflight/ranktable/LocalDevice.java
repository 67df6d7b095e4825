package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.SuperPod;
import java.util.Optional;

/**
 * A device as its own node knows it.
 *
 * @param deviceId its number on the node
 * @param deviceIp its address
 * @param superPod on A3
 */
public record LocalDevice(int deviceId, String deviceIp, Optional<SuperPod> superPod) {}
