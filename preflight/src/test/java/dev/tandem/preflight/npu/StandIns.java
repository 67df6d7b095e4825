package dev.tandem.preflight.npu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;

/**
 * Stand-ins of {@code hccn_tool} and {@code npu-smi}, shell scripts that write what the real ones write. Devices answer from addresses
 * {@code 11.12.165.(80 + device)} of node 0, {@code 11.12.166.…} of node 1.
 */
public final class StandIns {
    private static final String HCCN_TOOL = """
            #!/bin/sh
            # -i DEVICE OPTION -g [address ADDRESS]
            d=$2; option=$3; to=$6
            case "$d$option" in
            BROKEN) ;;
            esac
            case $option in
            -lldp) printf 'Chassis ID TLV\\n\\tMAC: 00:11:22:33:44:55\\nPort ID TLV\\n\\tIfname: 400GE1/1/%s:1\\nEnd of LLDPDU TLV\\n' "$d" ;;
            -link) echo 'link status: UP' ;;
            -net_health) echo 'net health status: Success' ;;
            -netdetect) echo 'netdetect address: 11.12.16NODE.1' ;;
            -gateway) echo "default gateway:11.12.16NODE.1, Iface:eth$d" ;;
            -tls) echo "dev_id:$d, tls switch[0](0:disable, 1:enable), tls preconfigured[1](0:non-preset, 1:preset), tls alarm time threshold[60]days" ;;
            -ip) printf 'ipaddr:11.12.16NODE.%s\\nnetmask:255.255.255.0\\n' $((80 + d)) ;;
            -vnic) printf 'vnic link status: UP\\nvnic ipaddr: 192.168.NODE.%s\\nvnic netmask: 255.255.255.0\\n' $((1 + d)) ;;
            -ping) printf 'device %s PING %s\\nrecv seq=0,time=0.114000ms\\nrecv seq=1,time=0.067000ms\\n2 packets transmitted, 2 received, 0.00%% packet loss\\n' "$d" "$to" ;;
            -hccs_ping) printf 'device %s PING %s\\n\\nThis pkt ping success!\\nrecv seq 0, time = 12.500us, L1 plane check result = 0x1\\n\\n1 packets transmitted, 1 received, 0.00%% packets loss\\n' "$d" "$to" ;;
            *) echo 'Cmd execution failed!' >&2; exit 2 ;;
            esac
            """;
    private static final String NPU_SMI = """
            #!/bin/sh
            # info -m, info -t spod-info -i CARD -c CHIP
            if [ "$2" = -m ]; then
                printf '    NPU ID    Chip ID    Chip Logic ID    Chip Name\\n'
                printf '    0         0          0                Ascend910\\n    0         1          1                Ascend910\\n'
                printf '    0         2          -                Mcu\\n    4         0          2                Ascend910\\n'
                exit 0
            fi
            printf '        SDID                           : %s\\n        Super Pod Size                 : 384\\n        Super Pod ID                   : 0\\n        Server Index                   : NODE\\n' $((NODE * 100 + 2 * $5 + $7))
            """;
    private static final String NO_BRANCH = "BROKEN) ;;";

    private final Path folder;
    private final int node;
    private String branches = NO_BRANCH;
    private boolean isA3;

    public StandIns(Path folder, int node) {
        this.folder = folder;
        this.node = node;
    }

    /** A shell branch of its own for a device and an option, such as {@code 3-link)}. */
    public StandIns with(String pattern, String commands) {
        branches = pattern + ") " + commands + " ;;\n" + branches;
        return this;
    }

    public StandIns onA3() {
        isA3 = true;
        return this;
    }

    /** Writes the scripts. */
    public NpuPlan.Tools install() throws IOException {
        Path hccnTool = script("hccn_tool", HCCN_TOOL.replace(NO_BRANCH, branches));
        Path npuSmi = script("npu-smi", isA3 ? NPU_SMI : "#!/bin/sh\necho 'not supported'\nexit 1\n");
        Path conf = folder.resolve("hccn.conf");
        Files.writeString(conf, "address_0=11.12.16" + (5 + node) + ".80\nnetmask_0=255.255.255.0\n");
        return new NpuPlan.Tools(hccnTool.toString(), npuSmi.toString(), conf);
    }

    /** A plan with these. */
    public NpuPlan plan(int devices) throws IOException {
        return new NpuPlan(
                install(),
                isA3 ? NpuPlan.Generation.A3 : NpuPlan.Generation.A2,
                devices,
                new NpuPlan.Bounds(Duration.ofSeconds(30), 4));
    }

    private Path script(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.writeString(file, text.replace("16NODE", "16" + (5 + node)).replace("NODE", Integer.toString(node)));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        return file;
    }
}
