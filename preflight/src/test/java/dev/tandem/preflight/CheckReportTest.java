package dev.tandem.preflight;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding.Severity;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class CheckReportTest {
    private static final Finding DOWN = new Finding(Severity.ERROR, "device 3 link", "DOWN", "look at the cable");

    private static CheckReport report() {
        return new CheckReport(List.of(new CheckedNode(
                "10.0.0.1",
                List.of(
                        new Section(
                                "4 devices",
                                List.of(List.of("device", "link"), List.of("3", "!! DOWN")),
                                List.of(Finding.of(Severity.WELL, "device 0 link", "UP"), DOWN)),
                        new Section(
                                "machine", List.of(Finding.of(Severity.WELL, "kernels", "vector-256: \"widest\"")))))));
    }

    @Test
    void shouldShowTheTableAndBelowItOnlyWhatIsNotWell() {
        assertThat(report().lines(false))
                .containsExactly(
                        "10.0.0.1",
                        "  4 devices",
                        "    device link",
                        "    3      !! DOWN",
                        "    ERROR device 3 link: DOWN",
                        "          -> look at the cable",
                        "  machine",
                        "    ok    kernels: vector-256: \"widest\"",
                        "not well: 2 ok, 0 notes, 0 warnings, 1 errors");
        assertThat(report().isWell()).isFalse();
    }

    @Test
    void shouldShowGreenAndRedOnATerminal() {
        assertThat(String.join("\n", report().lines(true)))
                .contains("\u001B[31mERROR\u001B[0m", "\u001B[32mok   \u001B[0m");
    }

    @Test
    void shouldWriteAJsonObjectAFindingAndASum() {
        List<JsonNode> lines =
                report().json(false).stream().map(JsonMapper.shared()::readTree).toList();
        assertThat(lines).hasSize(4);
        assertThat(lines.get(1).toString())
                .isEqualTo(
                        "{\"node\":\"10.0.0.1\",\"section\":\"4 devices\",\"severity\":\"error\",\"subject\":\"device 3 link\","
                                + "\"found\":\"DOWN\",\"mend\":\"look at the cable\"}");
        assertThat(lines.getLast().toString())
                .isEqualTo(
                        "{\"summary\":{\"nodes\":1,\"well\":2,\"note\":0,\"warning\":0,\"error\":1},\"is_well\":false}");
    }

    @Test
    void shouldReadBackWhatAnotherMachineWrote() {
        String output = "Welcome to node 1\n{not json\n" + String.join("\n", report().json(true)) + "\n";
        assertThat(CheckReport.read(output)).contains(report());
    }

    @Test
    void shouldNotTakeHalfAReportForAWholeOne() {
        List<String> lines = report().json(true);
        assertThat(CheckReport.read(String.join("\n", lines.subList(0, lines.size() - 1))))
                .isEmpty();
        assertThat(CheckReport.read("")).isEmpty();
    }
}
