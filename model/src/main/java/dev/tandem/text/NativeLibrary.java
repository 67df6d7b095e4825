package dev.tandem.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The native tokenizers library out of DJL's jar, without DJL's own loader.
 *
 * <p>That loader shares one cache folder in the home directory between all processes, looks for CUDA, may download another build, and its
 * tokenizer class reports to a telemetry address from cloud machines. Here the library goes to a temporary file of this process, is
 * loaded and the file is deleted at once (the mapping stays), so any number of processes may start together, offline, without a home.
 */
final class NativeLibrary {
    private static final Logger LOG = LoggerFactory.getLogger(NativeLibrary.class);
    /** Platforms that the jar carries a library for, without those that need further files beside it. */
    private static final List<String> PLATFORMS = List.of("linux-x86_64", "linux-aarch64", "osx-aarch64");

    private static final Outcome OUTCOME = load();

    private record Outcome(@Nullable TokenizerException failure) {}

    private NativeLibrary() {}

    /** @throws TokenizerException when the library does not run on this machine; the same at every call */
    static TokenizersLibrary get() {
        TokenizerException failure = OUTCOME.failure();
        if (failure != null) {
            throw new TokenizerException(failure.kind(), String.valueOf(failure.getMessage()), failure);
        }
        return TokenizersLibrary.LIB;
    }

    private static Outcome load() {
        String fileName = System.mapLibraryName("tokenizers");
        StringBuilder tried = new StringBuilder();
        for (String platform : PLATFORMS) {
            String resource = "native/lib/" + platform + "/cpu/" + fileName;
            try (InputStream library = TokenizersLibrary.class.getClassLoader().getResourceAsStream(resource)) {
                if (library != null) {
                    loadThroughFile(library, fileName);
                    LOG.debug("tokenizers library loaded resource={}", resource);
                    return new Outcome(null);
                }
            } catch (IOException | UnsatisfiedLinkError e) {
                tried.append(tried.isEmpty() ? "" : "; ")
                        .append(resource)
                        .append(": ")
                        .append(e.getMessage());
            }
        }
        String reason = tried.isEmpty() ? "the class path holds no " + fileName + " for it" : tried.toString();
        String message = "The native tokenizers library cannot be loaded on this machine: " + reason;
        return new Outcome(new TokenizerException(TokenizerException.Kind.NATIVE_LIBRARY, message));
    }

    private static void loadThroughFile(InputStream library, String fileName) throws IOException {
        Path file = Files.createTempFile("tandem-", "-" + fileName);
        try {
            Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
            System.load(file.toAbsolutePath().toString());
        } catch (IOException e) { // of a full disk it names no file
            throw new IOException(file + " cannot be written: " + e.getMessage(), e);
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
