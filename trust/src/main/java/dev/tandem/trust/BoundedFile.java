package dev.tandem.trust;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads whole files that are meant to be small, such as keys: one that is longer, as a device is, costs no more memory than the bound. */
public final class BoundedFile {
    private BoundedFile() {}

    /** @throws IOException also when it is longer, naming the limit, or not in that charset */
    public static String text(Path file, int maxBytes, Charset charset) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw new IOException("it is longer than " + maxBytes + " bytes");
            }
            return charset.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        }
    }
}
