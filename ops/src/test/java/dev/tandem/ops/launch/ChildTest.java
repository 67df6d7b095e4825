package dev.tandem.ops.launch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChildTest {
    @TempDir
    Path folder;

    @Test
    void shouldNotTakeTheReportOfAnEarlierProcessForItsOwn() throws IOException {
        Path ready = Files.writeString(folder.resolve("prefill-0.ready"), "{\"port\": 8100}");
        var plan = new ProcessPlan("prefill-0", "prefill", new Endpoint("127.0.0.1", 8100), List.of("serve"));
        var endsAtOnce = new JavaRuntime(Path.of("/bin/true"), folder.resolve("jvm.options"), "");
        Child child = Child.start(plan, endsAtOnce, folder, Map.of());
        assertThat(child.report()).isEmpty();
        assertThat(ready).doesNotExist();
    }
}
