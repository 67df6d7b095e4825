package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClusterSecretTest {
    private static final byte[] CONTENT = "what is sealed".getBytes(StandardCharsets.UTF_8);

    @Test
    void shouldRefuseAShortSecretWithoutShowingIt() {
        assertThatThrownBy(() -> ClusterSecret.of("hunter2"))
                .hasMessage("the cluster token has 7 characters, at least 16 are needed");
        assertThat(ClusterSecret.of("0123456789abcdef").toString()).doesNotContain("0123");
    }

    @Test
    void shouldRefuseNoneAndThree() {
        assertThatThrownBy(() -> ClusterSecret.of(" \n"))
                .hasMessage("the cluster token has 0 lines, 1 or 2 are allowed");
        assertThatThrownBy(() -> ClusterSecret.of("0123456789abcdef\n0123456789abcdeg\n0123456789abcdeh"))
                .hasMessage("the cluster token has 3 lines, 1 or 2 are allowed");
    }

    @Test
    void shouldReadItsFileAgainWhenItChanges(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("token");
        Files.writeString(file, "the secret of last year\n");
        ClusterSecret secret = ClusterSecret.inFile(file);
        byte[] seal = secret.seal("test", CONTENT);

        Files.writeString(file, "the secret of this year\nthe secret of last year\n");
        assertThat(secret.isSealed("test", CONTENT, seal)).isTrue();
        assertThat(ClusterSecret.of("the secret of this year").isSealed("test", CONTENT, secret.seal("test", CONTENT)))
                .isTrue();

        Files.writeString(file, "the secret of this year, alone\n");
        assertThat(secret.isSealed("test", CONTENT, seal)).isFalse();
    }

    @Test
    void shouldKeepItsSecretWhenTheFileCannotBeUsed(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("token");
        Files.writeString(file, "the secret of last year\n");
        ClusterSecret secret = ClusterSecret.inFile(file);
        byte[] seal = secret.seal("test", CONTENT);

        Files.writeString(file, "short\n");
        assertThat(secret.isSealed("test", CONTENT, seal)).isTrue();
        Files.delete(file);
        assertThat(secret.isSealed("test", CONTENT, seal)).isTrue();
    }

    @Test
    void shouldReadNoMoreThanASecretHas() {
        assertThatThrownBy(() -> ClusterSecret.inFile(Path.of("/dev/zero")))
                .hasMessageContainingAll("/dev/zero", "it is longer than 4096 bytes");
    }

    @Test
    void shouldNameAFileThatIsNotThere(@TempDir Path folder) {
        Path file = folder.resolve("token");
        assertThatThrownBy(() -> ClusterSecret.inFile(file))
                .hasMessageContaining(file.toString())
                .hasMessageContaining("cannot be read");
    }

    @Test
    void shouldBindASealToItsPurpose() {
        ClusterSecret secret = ClusterSecret.of("the secret of last year");
        byte[] seal = secret.seal("ticket", CONTENT);
        assertThat(secret.isSealed("metaserver", CONTENT, seal)).isFalse();
        assertThat(ClusterSecret.none().isSealed("ticket", CONTENT, seal)).isFalse();
    }
}
