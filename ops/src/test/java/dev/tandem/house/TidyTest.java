package dev.tandem.house;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
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
                    .filter(path -> !ROOT.relativize(path)
                            .toString()
                            .matches("(^|.*/)(target|fixtures|models|\\.git|\\.tandem)/.*"))
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
        assertThat(files(".java"))
                .allSatisfy(file -> assertThat(lines(file)).as(file.toString()).hasSizeLessThanOrEqualTo(MOST_LINES));
    }

    @Test
    void shouldKeepMethodsShort() throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        var tooLong = new ArrayList<String>();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            var task = (JavacTask) compiler.getTask(
                    null,
                    manager,
                    null,
                    List.of("-proc:none"),
                    null,
                    manager.getJavaFileObjectsFromPaths(files(".java")));
            SourcePositions positions = Trees.instance(task).getSourcePositions();
            for (CompilationUnitTree unit : task.parse()) {
                new TreeScanner<Void, Void>() {
                    @Override
                    public Void visitMethod(MethodTree method, Void nothing) {
                        if (method.getBody() == null) {
                            return super.visitMethod(method, nothing);
                        }
                        long start =
                                unit.getLineMap().getLineNumber(positions.getStartPosition(unit, method.getBody()));
                        long end = unit.getLineMap().getLineNumber(positions.getEndPosition(unit, method));
                        if (end - start + 1 > MOST_METHOD_LINES) {
                            tooLong.add(unit.getSourceFile().getName() + " " + method.getName() + " has "
                                    + (end - start + 1) + " lines");
                        }
                        return super.visitMethod(method, nothing);
                    }
                }.scan(unit, null);
            }
        }
        assertThat(tooLong).isEmpty();
    }

    @Test
    void shouldLeaveNothingUnfinished() {
        for (Path file : files(".java")) {
            if (file.endsWith("TidyTest.java")) {
                continue;
            }
            for (String line : lines(file)) {
                assertThat(FORBIDDEN.matcher(line).find())
                        .as(file + ": " + line)
                        .isFalse();
            }
        }
    }

    @Test
    void shouldDescribeEveryPackage() {
        assertThat(files(".java"))
                .filteredOn(file -> file.toString().contains("/src/main/java/"))
                .allSatisfy(file ->
                        assertThat(file.resolveSibling("package-info.java")).exists());
    }

    @Test
    void shouldLinkToFilesThatExist() {
        for (Path file : files(".md")) {
            for (String line : lines(file)) {
                Matcher link = LINK.matcher(line);
                while (link.find()) {
                    if (!link.group(1).contains("://")) {
                        assertThat(file.resolveSibling(link.group(1)).normalize())
                                .as(file + ": " + line)
                                .exists();
                    }
                }
            }
        }
    }
}
