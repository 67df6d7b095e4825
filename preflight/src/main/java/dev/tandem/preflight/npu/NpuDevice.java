package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding.Severity;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/**
 * All that was read of one device.
 *
 * @param id its number
 * @param readings by query; those of the generation
 * @param conf its address in hccn.conf, compared
 * @param superPod on A3
 */
record NpuDevice(
        int id, Map<HccnQuery, DeviceReading> readings, DeviceReading conf, Optional<SuperPodMembership> superPod) {
    NpuDevice {
        readings = Collections.unmodifiableMap(new EnumMap<>(readings));
    }

    /** The address that peers ping. */
    Optional<String> address() {
        return Optional.ofNullable(readings.getOrDefault(HccnQuery.VNIC, readings.get(HccnQuery.IP)))
                .filter(reading -> reading.severity() != Severity.ERROR)
                .flatMap(DeviceReading::value);
    }

    /** {@code 0} or {@code 1}. */
    Optional<String> tls() {
        return Optional.ofNullable(readings.get(HccnQuery.TLS))
                .filter(reading -> reading.severity() == Severity.WELL)
                .flatMap(DeviceReading::value);
    }
}
