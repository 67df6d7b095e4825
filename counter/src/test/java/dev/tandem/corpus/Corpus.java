package dev.tandem.corpus;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The inputs of one group of parsers: {@code corpora/GROUP.seeds}, which people write, with every input that broke something once, and
 * {@code corpora/GROUP.found}, which {@code bench/fuzz.sh} writes. A line is an input: printable ASCII stands for itself, every other byte
 * and the backslash are {@code \xNN}; {@code \n} is also read. A line that begins with {@code #} is a comment.
 *
 * <p>A target gets one input and throws when a parser does what it must not. The empty input belongs to every corpus.
 */
public final class Corpus {
    /** What is done with an input. */
    public interface Target {
        void take(byte[] input) throws Exception;
    }

    private Corpus() {}

    /** Gives every input of a group to its target. */
    public static void replay(String group, Target target) {
        Path folder = Path.of(System.getProperty("tandem.root"), "corpora");
        var inputs = new ArrayList<>(inputs(folder.resolve(group + ".seeds")));
        inputs.addAll(inputs(folder.resolve(group + ".found")));
        inputs.add(new byte[0]);
        for (byte[] input : inputs) {
            try {
                target.take(input);
            } catch (Exception | Error e) {
                throw new AssertionError("input of corpus " + group + ": " + escaped(input), e);
            }
        }
    }

    /**
     * For the script: {@code unpack SEEDS FOUND FOLDER} makes a file of each input, {@code pack SEEDS FOLDER FOUND BYTES} puts into one file
     * what the folder has and the seeds have not, the shortest inputs first, up to so many bytes.
     */
    public static void main(String[] arguments) throws IOException {
        Path first = Path.of(arguments[1]);
        Path second = Path.of(arguments[2]);
        Path third = Path.of(arguments[3]);
        if (arguments[0].equals("unpack")) {
            unpack(List.of(first, second), third);
        } else {
            pack(first, second, third, Long.parseLong(arguments[4]));
        }
    }

    private static void unpack(List<Path> files, Path folder) throws IOException {
        int number = 0;
        for (Path file : files) {
            for (byte[] input : Files.exists(file) ? inputs(file) : List.<byte[]>of()) {
                Files.write(folder.resolve("input-" + number++), input);
            }
        }
    }

    private static void pack(Path seeds, Path folder, Path found, long mostBytes) throws IOException {
        var known = new TreeSet<String>();
        inputs(seeds).forEach(input -> known.add(escaped(input)));
        Map<String, Integer> lines = new TreeMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                byte[] input = Files.readAllBytes(file);
                if (input.length > 0 && !known.contains(escaped(input))) {
                    lines.put(escaped(input), input.length);
                }
            }
        }
        List<String> sorted = lines.entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue().thenComparing(Map.Entry::getKey))
                .map(Map.Entry::getKey)
                .toList();
        long bytes = 0;
        int kept = 0;
        while (kept < sorted.size() && bytes + sorted.get(kept).length() < mostBytes) {
            bytes += sorted.get(kept++).length() + 1;
        }
        Files.write(found, sorted.subList(0, kept), US_ASCII);
    }

    private static List<byte[]> inputs(Path file) {
        try {
            return Files.readAllLines(file, US_ASCII).stream()
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .map(Corpus::bytes)
                    .sorted(Comparator.comparingInt(input -> input.length))
                    .toList();
        } catch (IOException e) {
            throw new AssertionError("corpus " + file + " cannot be read", e);
        }
    }

    private static String escaped(byte[] input) {
        var line = new StringBuilder();
        for (byte b : input) {
            boolean isPlain = b >= ' ' && b < 0x7f && b != '\\' && !(b == '#' && line.isEmpty());
            if (isPlain) {
                line.append((char) b);
            } else {
                line.append(String.format("\\x%02x", b));
            }
        }
        return line.toString();
    }

    private static byte[] bytes(String line) {
        var input = new ByteArrayOutputStream();
        for (int at = 0; at < line.length(); at++) {
            if (line.charAt(at) != '\\') {
                input.write(line.charAt(at));
            } else if (line.startsWith("\\n", at)) {
                input.write('\n');
                at++;
            } else if (line.startsWith("\\x", at)) {
                input.write(Integer.parseInt(line, at + 2, at + 4, 16));
                at += 3;
            } else {
                throw new IllegalArgumentException("a backslash without x or n behind it: " + line);
            }
        }
        return input.toByteArray();
    }

    /** The bytes as a text of the same length, for targets of texts that are not UTF-8 by nature. */
    public static String latin1(byte[] input) {
        return new String(input, ISO_8859_1);
    }

    /** Fails a target. */
    public static void require(boolean isSo, String otherwise) {
        if (!isSo) {
            throw new AssertionError(otherwise);
        }
    }
}
