package dev.tandem.api.access;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.ApiException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ApiKeysTest {
    @TempDir
    private Path folder;

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("keys"), text);
    }

    @Test
    void shouldNameWhoseKeyARequestCarries() throws IOException {
        ApiKeys keys = ApiKeys.read(file("# who\nteam-a " + ApiKeys.hash("one") + "\n\n  team-b\t"
                + ApiKeys.hash("two").toUpperCase(Locale.ROOT) + "  \nteam-a " + ApiKeys.hash("three")));
        assertThat(keys.nameOf("Bearer one")).contains("team-a");
        assertThat(keys.nameOf("Bearer two")).contains("team-b");
        assertThat(keys.nameOf("Bearer three")).contains("team-a");
        assertThat(keys.nameOf("Bearer four")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"Bearer k", "bearer k", "BEARER k", "bEaReR   k ", "Bearer \tk"})
    void shouldTakeTheSchemeInAnyCase(String header) {
        assertThat(ApiKeys.of(List.of("k")).nameOf(header)).contains("key-1");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "Bearer", "Bearer ", "k", "Basic k", "Bearerk", "Bearer K", "Bearer k k"})
    void shouldRefuseEverythingElse(String header) {
        assertThat(ApiKeys.of(List.of("k")).nameOf(header)).isEmpty();
        assertThat(ApiKeys.of(List.of()).nameOf(header)).isEmpty();
    }

    @Test
    void shouldNameTheLineThatCannotBeReadAndNotShowIt() throws IOException {
        Path file = file("a " + ApiKeys.hash("one") + "\nb my-secret-key\n");
        assertThatThrownBy(() -> ApiKeys.read(file))
                .isInstanceOf(ApiException.class)
                .hasMessageContaining(file + ": line 2 ")
                .hasMessageNotContaining("secret");
    }

    @Test
    void shouldRefuseAFileThatLetsNobodyIn() throws IOException {
        Path file = file("# nothing yet\n");
        assertThatThrownBy(() -> ApiKeys.read(file)).hasMessageContaining("it has 0 keys; 1 to 1024 are needed");
        assertThatThrownBy(() -> ApiKeys.read(folder.resolve("absent"))).hasMessageContaining("there is no such file");
    }

    @Test
    void shouldReadNoMoreThanKeysHave() {
        assertThatThrownBy(() -> ApiKeys.read(Path.of("/dev/zero")))
                .hasMessageContainingAll("/dev/zero", "it is longer than 1048576 bytes");
    }

    @Test
    void shouldRefuseAKeyThatIsThereTwice() throws IOException {
        String hash = ApiKeys.hash("one");
        Path file = file("a " + hash + "\nb " + hash + "\n");
        assertThatThrownBy(() -> ApiKeys.read(file)).hasMessageContaining("line 2 has the hash of an earlier line");
    }
}
