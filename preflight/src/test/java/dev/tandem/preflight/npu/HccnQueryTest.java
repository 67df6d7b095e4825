package dev.tandem.preflight.npu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding.Severity;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How the answers of the vendor's tool read: good ones, bad ones, and text that is none. */
class HccnQueryTest {
    private static final String BUSY = "hccn_tool is busy, please try again.";

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            LLDP       | 'Chassis ID TLV\\n\\tMAC: 00:11\\nPort ID TLV\\n\\tIfname: 400GE1/1/5:1\\nEnd of LLDPDU TLV' | 400GE1/1/5:1
            LINK       | 'link status: UP\\n'                                                                     | UP
            NET_HEALTH | 'net health status: Success\\n'                                                          | Success
            NETDETECT  | 'netdetect address: 11.12.165.1'                                                        | 11.12.165.1
            NETDETECT  | 'netdetect addr: 11.12.165.1'                                                           | 11.12.165.1
            GATEWAY    | 'default gateway:11.12.165.1, Iface:eth0'                                               | 11.12.165.1
            TLS        | 'dev_id:0, tls switch[0](0:disable, 1:enable), tls alarm time threshold[60]days'        | 0
            IP         | 'ipaddr:11.12.165.80\\nnetmask:255.255.255.0'                                            | 11.12.165.80
            VNIC       | 'vnic link status: UP\\nvnic ipaddr: 192.168.2.199\\nvnic netmask: 255.255.255.0'         | 192.168.2.199
            """)
    void shouldReadGoodAnswers(HccnQuery query, String output, String value) {
        DeviceReading reading = query.read(3, output.replace("\\n", "\n").replace("\\t", "\t"));
        assertThat(reading.severity()).isEqualTo(Severity.WELL);
        assertThat(reading.value()).contains(value);
        assertThat(reading.fix()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            LLDP       | ''                                                       | ERROR   | -                  | -i 3 -optical -g
            LINK       | 'link status: DOWN'                                      | ERROR   | DOWN               | switch port of device 3
            NET_HEALTH | 'net health status: Init'                                | ERROR   | Init               | -i 3 -netdetect -s address
            NET_HEALTH | 'net health status: Fault'                               | ERROR   | Fault              | -i 3 -cfg recovery
            NET_HEALTH | 'net health status: Receive timeout'                     | ERROR   | Receive timeout    | address, netmask and gateway of device 3
            NETDETECT  | 'netdetect addr: 0.0.0.0'                                | ERROR   | 0.0.0.0            | -i 3 -netdetect -s address
            GATEWAY    | ''                                                       | WARNING | -                  | -i 3 -gateway -s gateway
            TLS        | 'no certificate'                                         | NOTE    | none               | ''
            IP         | ''                                                       | ERROR   | -                  | -i 3 -ip -s address
            VNIC       | 'vnic link status: DOWN\\nvnic ipaddr: 192.168.2.199'     | ERROR   | 192.168.2.199 DOWN | driver
            VNIC       | 'vnic link status: UP\\nvnic ipaddr: 0.0.0.0'             | ERROR   | -                  | --device a2
            """)
    void shouldSayWhatToDoAboutBadOnes(HccnQuery query, String output, Severity severity, String value, String fix) {
        DeviceReading reading = query.read(3, output.replace("\\n", "\n"));
        assertThat(reading.severity()).isEqualTo(severity);
        assertThat(reading.value().orElse("-")).isEqualTo(value);
        assertThat(reading.fix()).contains(fix);
    }

    @ParameterizedTest
    @CsvSource({"LINK", "NET_HEALTH", "NETDETECT"})
    void shouldShowAnAnswerThatItDoesNotKnow(HccnQuery query) {
        DeviceReading reading = query.read(0, BUSY);
        assertThat(reading.severity()).isEqualTo(Severity.ERROR);
        assertThat(reading.found()).contains(BUSY);
        assertThat(reading.cell()).isEqualTo("!! -");
    }
}
