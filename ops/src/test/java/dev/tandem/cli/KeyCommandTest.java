package dev.tandem.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.FileWatch;
import dev.tandem.api.access.KeyGuard;
import dev.tandem.node.flags.FlagException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Keys from their making to the server that knows them. */
class KeyCommandTest {
    private static List<String> lines(String... arguments) {
        PrintStream out = System.out;
        var bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            assertThat(Main.run(List.of(arguments))).isEqualTo(Exit.WELL);
        } finally {
            System.setOut(out);
        }
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    private static ApiKeyRules rules(Path file) {
        return new ApiKeyRules(List.of(), Optional.of(file), List.of());
    }

    @Test
    void shouldMakeAKeyAndTheLineThatLetsItIn(@TempDir Path folder) throws IOException {
        List<String> made = lines("key", "team-a");
        Path file = Files.write(folder.resolve("keys"), made.subList(1, 2));
        try (var guard = new KeyGuard(rules(file))) {
            assertThat(guard.admit("Bearer " + made.getFirst())).contains("team-a");
        }
        assertThat(lines("key", "team-a").getFirst())
                .isNotEqualTo(made.getFirst())
                .hasSizeGreaterThan(40);
    }

    @Test
    void shouldHashAKeyThatIsGiven() {
        InputStream in = System.in;
        System.setIn(new ByteArrayInputStream("k\n".getBytes(StandardCharsets.UTF_8)));
        try {
            assertThat(lines("key", "a", "--stdin"))
                    .containsExactly("a 8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a");
        } finally {
            System.setIn(in);
        }
    }

    @Test
    void shouldRefuseANameThatNoFileMayHave() {
        assertThat(catchThrowableOfType(FlagException.class, () -> new KeyCommand().run(List.of("a b")))
                        .problems())
                .hasSize(1);
    }

    @Test
    void shouldSayInTheLogWhichLineOfAChangedFileIsWrong(@TempDir Path folder) throws Exception {
        Path file = Files.write(folder.resolve("keys"), lines("key", "a").subList(1, 2));
        BlockingQueue<ILoggingEvent> events = new LinkedBlockingQueue<>();
        var appender = new AppenderBase<ILoggingEvent>() {
            @Override
            protected void append(ILoggingEvent event) {
                events.add(event);
            }
        };
        var logger = (Logger) LoggerFactory.getLogger(FileWatch.class);
        appender.start();
        logger.addAppender(appender);
        try (var guard = new KeyGuard(rules(file))) {
            Files.writeString(file, "a secret-in-the-wrong-place\n");
            ILoggingEvent event = events.poll(30, TimeUnit.SECONDS);
            assertThat(event.getLevel()).isEqualTo(Level.ERROR);
            assertThat(event.getFormattedMessage())
                    .contains("key file " + file + ": line 1 ")
                    .doesNotContain("secret");
            assertThat(guard.guards("GET", "/x")).isTrue();
        } finally {
            logger.detachAppender(appender);
        }
    }
}
