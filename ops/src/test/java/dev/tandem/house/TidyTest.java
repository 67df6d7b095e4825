package dev.tandem.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the style asks of every source file and a compiler does not check. */
class TidyTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final int MOST_LINES = 600;
    private static final int MOST_METHOD_LINES = 60;
    private static final Pattern FORBIDDEN = Pattern.compile(
            "TODO|FIXME|XXX|printStackTrace|UnsupportedOperationException|@Disabled|contract only|To be written");
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#\\s]+)(#[^)]*)?\\)");

    private static List<Path> files(String ending) {
        try (Stream<Path> tree = Files.walk(ROOT)) {
            return tree.filter(path -> path.toString().endsWith(ending))
                    .filter(path -> !ROOT.relativize(path).toString().matches("(^|.*/)(target|fixtures|models|\\.git|\\.tandem)/.*"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void shouldFindSources() {
        assertThat(files(".java")).hasSizeGreaterThan(100);
    }

    @Test
    void shouldKeepFilesShort() {
        assertThat(files(".java")).allSatisfy(file -> assertThat(lines(file)).as(file.toString()).hasSizeLessThanOrEqualTo(MOST_LINES));
    }

    @Test
    void shouldKeepMethodsShort() {
        var tooLong = new ArrayList<String>();
        for (Path file : files(".java")) {
            List<String> lines = lines(file);
            for (int at = 0; at < lines.size(); at++) {
                int indent = indent(lines.get(at));
                boolean opensMethod = indent % 4 == 0 && indent >= 4 && lines.get(at).endsWith(") {")
                        && !lines.get(at).strip().matches("(if|for|while|switch|try|synchronized|\\}|return|record|class|public record|private record|case).*");
                if (!opensMethod) {
                    continue;
                }
                int end = at + 1;
                while (end < lines.size() && !(indent(lines.get(end)) == indent && lines.get(end).strip().startsWith("}"))) {
                    end++;
                }
                if (end - at - 1 > MOST_METHOD_LINES) {
                    tooLong.add(ROOT.relativize(file) + ":" + (at + 1) + " has " + (end - at - 1) + " lines");
                }
            }
        }
        assertThat(tooLong).isEmpty();
    }

    private static int indent(String line) {
        return line.length() - line.stripLeading().length();
    }

    @Test
    void shouldLeaveNothingUnfinished() {
        for (Path file : files(".java")) {
            if (file.endsWith("TidyTest.java")) {
                continue;
            }
            for (String line : lines(file)) {
                assertThat(FORBIDDEN.matcher(line).find()).as(file + ": " + line).isFalse();
            }
        }
    }

    @Test
    void shouldDescribeEveryPackage() {
        assertThat(files(".java"))
                .filteredOn(file -> file.toString().contains("/src/main/java/"))
                .allSatisfy(file -> assertThat(file.resolveSibling("package-info.java")).exists());
    }

    @Test
    void shouldLinkToFilesThatExist() {
        for (Path file : files(".md")) {
            for (String line : lines(file)) {
                Matcher link = LINK.matcher(line);
                while (link.find()) {
                    if (!link.group(1).contains("://")) {
                        assertThat(file.resolveSibling(link.group(1)).normalize()).as(file + ": " + line).exists();
                    }
                }
            }
        }
    }
}
