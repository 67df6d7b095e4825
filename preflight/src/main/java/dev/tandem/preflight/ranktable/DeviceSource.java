package dev.tandem.preflight.ranktable;

import java.util.List;
import java.util.Optional;

/** Where this host's devices come from. Stateless; any thread, which waits for the tools. */
public final class DeviceSource {
    private final Optional<DeviceKind> kind;
    private final List<Integer> deviceIds;
    private final Optional<AscendTools> tools;

    /**
     * @param kind what the operator gave; empty: A2 or A3, whichever it is, where there are tools, and no accelerators where there are none
     * @param deviceIds in the order of the ranks
     * @param tools Ascend's; empty when they are not installed
     */
    public DeviceSource(Optional<DeviceKind> kind, List<Integer> deviceIds, Optional<AscendTools> tools) {
        this.kind = kind;
        this.deviceIds = List.copyOf(deviceIds);
        this.tools = tools;
    }

    /**
     * Asks them.
     *
     * @param node address of the node
     * @throws DeviceException naming what could not be found out
     */
    NodeDevices devices(String node) throws InterruptedException {
        if ((kind.isEmpty() && tools.isEmpty()) || kind.equals(Optional.of(DeviceKind.CPU))) {
            return NodeDevices.withoutAccelerators(node, deviceIds);
        }
        AscendTools asked =
                tools.orElseThrow(() -> new DeviceException("hccn_tool is not here; HCCN_TOOL_PATH says where"
                        + " it is, --device cpu makes a table without accelerators"));
        return asked.devices(kind.isPresent() ? kind.get() : asked.kind(), deviceIds);
    }
}
