package dev.tandem.preflight.ranktable;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** What tools of a host print, and what another node says of its devices: read, or taken for nothing, or refused in words. */
class DeviceOutputFuzzTest {
    @Test
    void shouldReadOrRefuseEveryOutput() {
        Corpus.replay("devices", DeviceOutputFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        String output = new String(input, StandardCharsets.UTF_8);
        AscendOutput.chips(output);
        AscendOutput.superPod(output);
        AscendOutput.virtualAddress(output);
        AscendOutput.portAddress(output)
                .ifPresent(address -> Corpus.require(output.contains(address), "an address that nobody printed"));
        try {
            NodeDevices devices =
                    NodeDevices.fromJson("10.0.0.1", JsonMapper.shared().readTree(output), 2);
            Corpus.require(devices != null, "nothing");
        } catch (JacksonException notJson) {
            Corpus.require(notJson.getOriginalMessage() != null, "refused without a word");
        } catch (DeviceException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
    }
}
