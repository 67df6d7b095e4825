package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding.Severity;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The queries of the guides' verification blocks, {@code hccn_tool -i DEVICE OPTION -g}, and how their answers read.
 *
 * <p>Confirmed by public documents (vendor manuals, the published source of the tool, logs of users): {@code link status: UP|DOWN};
 * {@code net health status: Success|Socket fail|Receive timeout|Unreachable|Time exceeded|Fault|Init|Thread error|Detect ip set|Unknown};
 * {@code netdetect address: A} and {@code netdetect addr: A}, {@code 0.0.0.0} where none is set; {@code default gateway:A, Iface:ethN};
 * {@code ipaddr:A} and {@code netmask:M}; {@code vnic link status: UP}, {@code vnic ipaddr: A}, {@code vnic netmask: M}; {@code tls
 * switch[0](0:disable, 1:enable), …}; of LLDP the line {@code Ifname: PORT} below {@code Port ID TLV}; {@code hccn_tool is busy, please
 * try again}. Assumed: that a device without LLDP neighbour or gateway prints neither line, with any exit status; that a device without
 * certificates prints no {@code tls switch}.
 */
enum HccnQuery {
    LLDP("-lldp", "switch port", "Ifname:\\s*(\\S+)"),
    LINK("-link", "link", "(?m)^\\s*link status:\\s*(\\S+)"),
    NET_HEALTH("-net_health", "health", "net health status:\\s*([^\\r\\n]+)"),
    NETDETECT("-netdetect", "detects", "netdetect addr(?:ess)?:\\s*([0-9a-fA-F.:]+)"),
    GATEWAY("-gateway", "gateway", "default gateway:\\s*([0-9a-fA-F.:]+)"),
    TLS("-tls", "tls", "tls switch\\[([01])\\]"),
    IP("-ip", "address", "(?m)^\\s*ipaddr:\\s*([0-9a-fA-F.:]+)"),
    VNIC("-vnic", "address", "vnic ipaddr:\\s*([0-9a-fA-F.:]+)");

    private static final Pattern VNIC_LINK = Pattern.compile("vnic link status:\\s*(\\S+)");
    private static final String UNSET = "0.0.0.0";
    private static final int MOST_QUOTED = 200;

    private final String option;
    private final String column;
    private final Pattern answer;

    HccnQuery(String option, String column, String answer) {
        this.option = option;
        this.column = column;
        this.answer = Pattern.compile(answer);
    }

    /** Arguments of {@code hccn_tool} for one device. */
    List<String> arguments(int device) {
        return List.of("-i", Integer.toString(device), option, "-g");
    }

    /** Title of its column. */
    String column() {
        return column;
    }

    /** Reads what the tool wrote when it ended well, and what it wrote besides when it did not. */
    DeviceReading read(int device, String output) {
        Matcher matcher = answer.matcher(output);
        Optional<String> value = matcher.find() ? Optional.of(matcher.group(1).strip()) : Optional.<String>empty();
        return switch (this) {
            case LLDP ->
                value.map(DeviceReading::well)
                        .orElseGet(() -> missing(
                                output,
                                "no switch port is seen",
                                "look at optical module and cable" + " (hccn_tool -i " + device
                                        + " -optical -g) and whether the switch sends LLDP"));
            case LINK ->
                value.map(state -> judged(
                                state,
                                state.equals("UP"),
                                "look at optical module, cable and switch port of" + " device " + device
                                        + "; hccn_tool -i " + device + " -link_stat -g tells since when"))
                        .orElseGet(() -> unreadable(output));
            case NET_HEALTH -> value.map(state -> health(device, state)).orElseGet(() -> unreadable(output));
            case NETDETECT ->
                value.map(address -> judged(address, !address.equals(UNSET), setDetection(device)))
                        .orElseGet(() -> unreadable(output));
            case GATEWAY -> gateway(device, value);
            case TLS ->
                value.map(DeviceReading::well)
                        .orElseGet(() -> DeviceReading.note("none", "no TLS settings: " + quoted(output)));
            case IP ->
                value.filter(address -> !address.equals(UNSET))
                        .map(DeviceReading::well)
                        .orElseGet(() -> missing(
                                output,
                                "the device has no address",
                                "hccn_tool -i " + device + " -ip -s address ADDRESS netmask MASK gives it one"));
            case VNIC -> vnic(output, value);
        };
    }

    private static DeviceReading judged(String value, boolean isWell, String fix) {
        return isWell ? DeviceReading.well(value) : DeviceReading.of(Severity.ERROR, value, fix);
    }

    private static DeviceReading health(int device, String state) {
        String fix = switch (state) {
            case "Init", "Detect ip set" ->
                "the device has not detected its network: " + setDetection(device) + ", then ask again";
            case "Receive timeout", "Unreachable", "Time exceeded" ->
                "the detected address does not answer: look at address, netmask and gateway of device " + device
                        + " and at the switch";
            default ->
                "look at link and cable of device " + device + "; hccn_tool -i " + device
                        + " -cfg recovery puts the settings of hccn.conf back";
        };
        return judged(state, state.equals("Success"), fix);
    }

    private static String setDetection(int device) {
        return "hccn_tool -i " + device + " -netdetect -s address GATEWAY sets the address to detect";
    }

    /** Judges the gateway, which devices of one subnet do not need. */
    private static DeviceReading gateway(int device, Optional<String> value) {
        String fix = "needed where other nodes' devices are in another subnet: hccn_tool -i " + device
                + " -gateway -s gateway ADDRESS";
        return value.filter(address -> !address.equals(UNSET))
                .map(DeviceReading::well)
                .orElseGet(() -> new DeviceReading(Severity.WARNING, value, "no gateway", fix));
    }

    private static DeviceReading vnic(String output, Optional<String> value) {
        Matcher link = VNIC_LINK.matcher(output);
        if (link.find() && !link.group(1).equals("UP")) {
            return DeviceReading.of(
                    Severity.ERROR,
                    value.orElse(UNSET) + " " + link.group(1),
                    "the virtual port is down: look at npu-smi info and at the driver's log");
        }
        return value.filter(address -> !address.equals(UNSET))
                .map(DeviceReading::well)
                .orElseGet(() -> missing(
                        output, "the device has no virtual address", "is this an A3 machine? --device a2 asks -ip"));
    }

    private static DeviceReading missing(String output, String found, String fix) {
        return DeviceReading.error(output.isBlank() ? found : found + "; the tool wrote: " + quoted(output), fix);
    }

    private static DeviceReading unreadable(String output) {
        return DeviceReading.error(
                "an answer that is not known: " + (output.isBlank() ? "nothing" : quoted(output)),
                "run the command by hand; with a newer hccn_tool its form may have changed");
    }

    /** The output as one line, shortened. */
    static String quoted(String output) {
        String line = output.strip().replaceAll("\\s+", " ");
        return line.length() <= MOST_QUOTED ? line : line.substring(0, MOST_QUOTED) + " …";
    }
}
