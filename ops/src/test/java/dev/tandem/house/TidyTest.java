package dev.tandem.house;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
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
    private static final int MOST_CONSTRUCTOR_PARAMETERS = 8;
    private static final int MOST_DOC_COLUMNS = 159;
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#\\s]+)(?:#[^)]*)?\\)|^\\[[^]]+]:\\s+(\\S+)");

    /** A class name as docs quote it, perhaps with a member behind it. */
    private static final Pattern QUOTED_TYPE = Pattern.compile("`([A-Z][a-z]+[A-Za-z0-9]*)(?:[.#][^`]*)?`");

    private static final Pattern DECLARED_TYPE =
            Pattern.compile("\\b(?:class|interface|record|enum)\\s+([A-Z][A-Za-z0-9]*)");
    /** Names of other programs' classes, of the JDK's, and of metrics that docs quote. */
    private static final Set<String> FOREIGN_TYPES = Set.of(
            "MooncakeConnector",
            "MooncakeConnectorV1",
            "MooncakeLayerwiseConnector",
            "LLMDataDistCMgrConnector",
            "NixlConnector",
            "IllegalStateException",
            "ParallelConfig",
            "BatchMode",
            "TypeError",
            "MemorySegment",
            "Arena",
            "System",
            "Ifname",
            "Success",
            "Init",
            "TokenizersLibrary");

    /** Folders that hold models, goldens and corpora, and what they may weigh together. */
    private static final List<String> DATA_FOLDERS = List.of("models", "fixtures", "corpora");

    private static final long MOST_DATA_BYTES = 72L << 20;
    private static final long MOST_BYTES_ELSEWHERE = 128L << 10;

    /** Of ELF, Mach-O, Windows and class files, zip (wheels, jars), gzip, bzip2, xz, zstd, 7z, ar and cabinet archives. */
    private static final List<String> MAGIC_NUMBERS = List.of(
            "7f454c46",
            "cffaedfe",
            "cefaedfe",
            "cafebabe",
            "4d5a",
            "504b0304",
            "504b0506",
            "1f8b",
            "425a68",
            "fd377a585a",
            "28b52ffd",
            "377abcaf271c",
            "213c617263683e",
            "4d534346");

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
        var tooLong = new ArrayList<String>();
        scanMethods(files(".java"), (unit, positions, method) -> {
            if (method.getBody() == null) {
                return;
            }
            long start = unit.getLineMap().getLineNumber(positions.getStartPosition(unit, method.getBody()));
            long end = unit.getLineMap().getLineNumber(positions.getEndPosition(unit, method));
            if (end - start + 1 > MOST_METHOD_LINES) {
                tooLong.add(unit.getSourceFile().getName() + " " + method.getName() + " has " + (end - start + 1)
                        + " lines");
            }
        });
        assertThat(tooLong).isEmpty();
    }

    @Test
    void shouldComposeWithFewParameters() throws IOException {
        var tooMany = new ArrayList<String>();
        scanMethods(files(".java"), (unit, positions, method) -> {
            if (method.getReturnType() == null && method.getParameters().size() > MOST_CONSTRUCTOR_PARAMETERS) {
                tooMany.add(unit.getSourceFile().getName() + " has a constructor of "
                        + method.getParameters().size() + " parameters");
            }
        });
        assertThat(tooMany).isEmpty();
    }

    private interface MethodCheck {
        void check(CompilationUnitTree unit, SourcePositions positions, MethodTree method);
    }

    private static void scanMethods(List<Path> sources, MethodCheck check) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            var task = (JavacTask) compiler.getTask(
                    null, manager, null, List.of("-proc:none"), null, manager.getJavaFileObjectsFromPaths(sources));
            SourcePositions positions = Trees.instance(task).getSourcePositions();
            for (CompilationUnitTree unit : task.parse()) {
                new TreeScanner<Void, Void>() {
                    @Override
                    public Void visitMethod(MethodTree method, Void nothing) {
                        check.check(unit, positions, method);
                        return super.visitMethod(method, nothing);
                    }
                }.scan(unit, null);
            }
        }
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
                    String target = link.group(1) != null ? link.group(1) : link.group(2);
                    if (!target.contains("://")) {
                        assertThat(file.resolveSibling(target).normalize())
                                .as(file + ": " + line)
                                .exists();
                    }
                }
            }
        }
    }

    @Test
    void shouldNameOnlyTypesThatExistInDocs() {
        Set<String> known = new HashSet<>(FOREIGN_TYPES);
        for (Path file : files(".java")) {
            for (String line : lines(file)) {
                DECLARED_TYPE.matcher(line).results().forEach(type -> known.add(type.group(1)));
            }
        }
        var unknown = new TreeSet<String>();
        for (Path page : pages()) {
            for (String line : lines(page)) {
                QUOTED_TYPE
                        .matcher(line)
                        .results()
                        .filter(quoted -> !known.contains(quoted.group(1)))
                        .forEach(quoted -> unknown.add(ROOT.relativize(page) + ": " + quoted.group()));
            }
        }
        assertThat(unknown).as("types that docs name and nobody declares").isEmpty();
    }

    /** {@code ./tandem} builds without tests; an archive of tests that is not made then cannot be asked for by another module. */
    @Test
    void shouldMakeArchivesOfTestsAlsoWhereTestsAreLeftOut() throws IOException {
        for (Path pom : tracked()) {
            String text = pom.endsWith("pom.xml") ? Files.readString(pom) : "";
            if (text.contains("<goal>test-jar</goal>")) {
                assertThat(text).as(ROOT.relativize(pom).toString()).contains("<skip>false</skip>");
            }
        }
    }

    @Test
    void shouldKeepTheLinesOfDocsShort() {
        var tooLong = new ArrayList<String>();
        for (Path page : pages()) {
            List<String> lines = lines(page);
            for (int i = 0; i < lines.size(); i++) {
                if (lines.get(i).length() > MOST_DOC_COLUMNS) {
                    tooLong.add(ROOT.relativize(page) + ":" + (i + 1) + " has "
                            + lines.get(i).length() + " columns");
                }
            }
        }
        assertThat(tooLong).isEmpty();
    }

    @Test
    void shouldTrackNoBinaryThatNoDecisionNames() throws IOException {
        String decisions = pages().stream()
                .filter(page -> page.toString().contains("/decisions/"))
                .map(page -> String.join("\n", lines(page)))
                .collect(Collectors.joining("\n"));
        for (Path file : tracked()) {
            if (isProgramOrArchive(file)) {
                assertThat(decisions)
                        .as(file + " is an archive or a program: a record in docs/decisions must name it")
                        .contains(ROOT.relativize(file).toString());
            }
        }
    }

    @Test
    void shouldKeepModelsAndGoldensInTheirFolders() throws IOException {
        long dataBytes = 0;
        for (Path file : tracked()) {
            String folder = ROOT.relativize(file).getName(0).toString();
            if (DATA_FOLDERS.contains(folder)) {
                dataBytes += Files.size(file);
            } else {
                assertThat(Files.size(file))
                        .as(file + " is large; data stands under " + DATA_FOLDERS)
                        .isLessThan(MOST_BYTES_ELSEWHERE);
                assertThat(file.toString())
                        .as("weights stand under " + DATA_FOLDERS)
                        .doesNotMatch(".*\\.(safetensors|gguf|npy|npz|pt|onnx)");
            }
        }
        assertThat(dataBytes).isPositive().isLessThanOrEqualTo(MOST_DATA_BYTES);
    }

    private static List<Path> pages() {
        List<Path> pages = files(".md");
        assertThat(pages).hasSizeGreaterThan(10);
        return pages;
    }

    /** What git tracks, or every file where this is no checkout. */
    private static List<Path> tracked() throws IOException {
        if (!Files.exists(ROOT.resolve(".git"))) {
            return files("");
        }
        Process git = new ProcessBuilder("git", "-c", "safe.directory=*", "ls-files", "-z")
                .directory(ROOT.toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String names = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        List<Path> tracked = names.isEmpty()
                ? List.of()
                : Stream.of(names.split("\0"))
                        .map(ROOT::resolve)
                        .filter(Files::isRegularFile)
                        .toList();
        assertThat(tracked).hasSizeGreaterThan(100);
        return tracked;
    }

    /** Told by the first bytes, whatever the file is called. */
    private static boolean isProgramOrArchive(Path file) throws IOException {
        byte[] head;
        try (InputStream in = Files.newInputStream(file)) {
            head = in.readNBytes(512);
        }
        String hex = HexFormat.of().formatHex(head);
        boolean isTar = head.length > 262 && new String(head, 257, 5, StandardCharsets.ISO_8859_1).equals("ustar");
        return isTar || MAGIC_NUMBERS.stream().anyMatch(hex::startsWith);
    }
}
