package dev.tandem.engine.cluster;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.Tensor;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Tells checkpoints apart without reading them: SHA-256 over the configuration, every tensor's name, type and shape, the sizes of the
 * files, and the first page of some tensors' data. Two checkpoints that differ in other weights only have equal fingerprints. Pure.
 */
public final class ModelFingerprint {
    private static final int SAMPLED_TENSORS = 64;
    private static final int PAGE_BYTES = 4096;

    private ModelFingerprint() {}

    /** 64 hexadecimal digits. */
    public static String of(Checkpoint checkpoint) {
        MessageDigest digest = sha256();
        add(digest, checkpoint.config().toString());
        var sizes = new ArrayList<>(checkpoint.files().values());
        sizes.sort(null);
        add(digest, sizes.toString());
        for (Map.Entry<String, Tensor> entry : checkpoint.tensors().entrySet()) {
            Tensor tensor = entry.getValue();
            add(digest, entry.getKey() + " " + tensor.dtype() + " " + tensor.shape());
        }
        List<Tensor> tensors = List.copyOf(checkpoint.tensors().values());
        int sampled = Math.min(SAMPLED_TENSORS, tensors.size());
        for (int i = 0; i < sampled; i++) {
            addPage(digest, tensors.get((int) ((long) i * tensors.size() / sampled)));
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void addPage(MessageDigest digest, Tensor tensor) {
        long bytes = Math.min(PAGE_BYTES, tensor.data().byteSize());
        digest.update(tensor.data().asSlice(0, bytes).asByteBuffer());
    }

    private static void add(MessageDigest digest, String line) {
        digest.update(line.getBytes(StandardCharsets.UTF_8));
        digest.update((byte) '\n');
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
