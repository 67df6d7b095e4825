package dev.tandem.preflight.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineCheckTest {
    @TempDir
    private Path root;

    private void write(String path, String text) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private Finding row(String subject) {
        return MachineCheck.run(new SystemFiles(root)).stream()
                .filter(finding -> finding.subject().equals(subject))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void shouldReadThisMachine() {
        List<Finding> findings = MachineCheck.run(SystemFiles.here());
        assertThat(findings)
                .extracting(Finding::subject)
                .contains("processors", "kernels", "memory", "open files", "NUMA", "huge pages", "interface lo");
        assertThat(findings).noneMatch(Finding::isError);
    }

    @Test
    void shouldSayWhatASystemDoesNotTell() {
        assertThat(MachineCheck.run(new SystemFiles(root)))
                .filteredOn(finding -> List.of("memory", "open files", "NUMA", "huge pages", "processors")
                        .contains(finding.subject()))
                .hasSize(5)
                .allSatisfy(finding -> {
                    assertThat(finding.severity()).isEqualTo(Severity.NOTE);
                    assertThat(finding.found()).contains("not reported here");
                });
    }

    @Test
    void shouldRefuseALimitOfOpenFilesThatIsTooLow() throws IOException {
        write(
                "proc/self/limits",
                "Limit  Soft Limit  Hard Limit  Units\nMax open files            256       1024       files\n");
        assertThat(row("open files").severity()).isEqualTo(Severity.ERROR);
        write("proc/self/limits", "Max open files            4096       4096       files\n");
        assertThat(row("open files").severity()).isEqualTo(Severity.WARNING);
        assertThat(row("open files").fix()).contains("LimitNOFILE");
        write("proc/self/limits", "Max open files            unlimited       unlimited       files\n");
        assertThat(row("open files")).isEqualTo(Finding.of(Severity.WELL, "open files", "no limit"));
    }

    @Test
    void shouldCountWhatTheControlGroupLeaves() throws IOException {
        write("proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\nHugePages_Total:       0\n");
        assertThat(row("memory").found()).isEqualTo("8.0 GiB available of 16.0 GiB");
        write("sys/fs/cgroup/memory.max", "4294967296\n");
        write("sys/fs/cgroup/memory.current", "3221225472\n");
        write("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 1073741824\nactive_file 0\n");
        assertThat(row("memory").found()).isEqualTo("2.0 GiB available of 16.0 GiB");
        write("sys/fs/cgroup/memory.max", "max\n");
        assertThat(row("memory").found()).isEqualTo("8.0 GiB available of 16.0 GiB");
    }

    @Test
    void shouldCompareMemoryWithWhatIsNeeded() throws IOException {
        write("proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n");
        var files = new SystemFiles(root);
        assertThat(MachineCheck.fits(files, "memory", 4L << 30, "parts")
                        .orElseThrow()
                        .severity())
                .isEqualTo(Severity.WELL);
        assertThat(MachineCheck.fits(files, "memory", (8L << 30) - 1, "parts")
                        .orElseThrow()
                        .severity())
                .isEqualTo(Severity.WARNING);
        Finding finding = MachineCheck.fits(files, "memory", 9L << 30, "parts").orElseThrow();
        assertThat(finding.severity()).isEqualTo(Severity.ERROR);
        assertThat(finding.found()).isEqualTo("9.0 GiB needed (parts), 8.0 GiB available");
    }

    @Test
    void shouldShowTheFeaturesOfAnArmProcessor() throws IOException {
        write("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd asimddp sve i8mm bf16 unknown\n");
        assertThat(row("processors").found()).endsWith("; asimd asimddp sve i8mm bf16");
    }

    @Test
    void shouldShowNumaNodes() throws IOException {
        write("sys/devices/system/node/online", "0-3\n");
        assertThat(row("NUMA").found()).startsWith("nodes 0-3; kernel threads are not bound");
    }
}
