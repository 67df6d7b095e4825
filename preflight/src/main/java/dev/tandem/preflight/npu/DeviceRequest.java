package dev.tandem.preflight.npu;

import dev.tandem.preflight.ranktable.DeviceKind;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Which devices of this machine a check is asked to look at.
 *
 * @param kind of them; empty: A2 or A3 where the vendor's tool is, else the cores
 * @param count how many; empty: as many as the driver has device files
 * @param bounds of the queries
 */
public record DeviceRequest(Optional<DeviceKind> kind, OptionalInt count, NpuPlan.Bounds bounds) {}
