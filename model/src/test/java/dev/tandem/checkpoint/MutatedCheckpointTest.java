package dev.tandem.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damages sound files at random: they open or are refused, and nothing else happens. */
@Tag("long")
class MutatedCheckpointTest {
    private static final int MUTATIONS = 1000;
    private static final long MAX_ALLOCATED_BYTES = 16 << 20;
    private static final long[] NOTABLE = {
        0, 1, -1, 255, 65_535, Integer.MAX_VALUE, Integer.MIN_VALUE, 1L << 32, Long.MAX_VALUE, Long.MIN_VALUE
    };

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path folder;

    private record Outcome(int opened, int refused) {}

    /** Opens the checkpoint {@link #MUTATIONS} times with another damage each, in the first bytes of the file or by its length. */
    private Outcome mutate(Path checkpoint, Path file, int damagedBytes) throws IOException {
        byte[] sound = Files.readAllBytes(file);
        var random = new SplittableRandom(42);
        int opened = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            byte[] damaged = damaged(sound, Math.min(damagedBytes, sound.length), random);
            Files.write(file, damaged);
            long before = threads.getCurrentThreadAllocatedBytes();
            if (opens(checkpoint, i)) {
                opened++;
            }
            assertThat(threads.getCurrentThreadAllocatedBytes() - before)
                    .as("bytes allocated for mutation " + i)
                    .isLessThan(MAX_ALLOCATED_BYTES);
        }
        return new Outcome(opened, MUTATIONS - opened);
    }

    private static boolean opens(Path checkpoint, int mutation) {
        try (Checkpoint opened = Checkpoint.open(checkpoint)) {
            assertThat(facts(opened)).isNotEmpty().allMatch(fact -> !fact.isEmpty());
            return true;
        } catch (CheckpointException e) {
            assertThat(e).hasMessageContaining(checkpoint.toString());
            return false;
        } catch (RuntimeException | Error e) {
            throw new AssertionError("mutation " + mutation + " ended in " + e, e);
        }
    }

    /** Everything that a checkpoint tells of itself, as texts. */
    private static List<String> facts(Checkpoint opened) {
        var facts = new ArrayList<String>();
        opened.tensors()
                .forEach((name, tensor) -> facts.add(
                        name + tensor.dtype() + tensor.shape() + tensor.data().byteSize()));
        opened.files().forEach((file, bytes) -> facts.add(file.toString() + bytes));
        opened.quantization()
                .ifPresent(quantised -> facts.add(
                        quantised.method() + quantised.modelType() + quantised.counts() + quantised.namesBeside()));
        facts.add(opened.config().toString());
        return facts;
    }

    private static byte[] damaged(byte[] sound, int damagedBytes, SplittableRandom random) {
        byte[] bytes = sound.clone();
        int at = random.nextInt(damagedBytes);
        switch (random.nextInt(6)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt(256);
            case 2 -> bytes[at] = (byte) "0123456789\"{}[],:-e".charAt(random.nextInt(19));
            case 3 -> {
                long notable = NOTABLE[random.nextInt(NOTABLE.length)];
                for (int i = 0; i < 8 && at + i < bytes.length; i++) {
                    bytes[at + i] = (byte) (notable >>> (8 * i));
                }
            }
            case 4 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            default -> {
                int from = random.nextInt(damagedBytes);
                int length = Math.min(1 + random.nextInt(64), bytes.length - Math.max(at, from));
                System.arraycopy(sound, from, bytes, at, length);
            }
        }
        return bytes;
    }

    @Test
    void shouldOpenOrRefuseEveryDamagedSafetensorsFile() throws IOException {
        FolderBuilder.aLlama().write(folder);
        Outcome outcome = mutate(folder, folder.resolve("model.safetensors"), 1500);
        assertThat(outcome.refused()).isGreaterThan(MUTATIONS / 2);
    }

    @Test
    void shouldOpenOrRefuseEveryDamagedConfiguration() throws IOException {
        FolderBuilder.aQwen3()
                .config("rope_scaling", "null")
                .config("eos_token_id", "[1, 2]")
                .write(folder);
        Outcome outcome = mutate(folder, folder.resolve("config.json"), Integer.MAX_VALUE);
        assertThat(outcome.refused()).isGreaterThan(MUTATIONS / 2);
        assertThat(outcome.opened()).isPositive();
    }

    @Test
    void shouldOpenOrRefuseEveryDamagedIndex() throws IOException {
        FolderBuilder.aLlama().writeSharded(folder, index -> index);
        Outcome outcome = mutate(folder, folder.resolve("model.safetensors.index.json"), Integer.MAX_VALUE);
        assertThat(outcome.refused()).isGreaterThan(MUTATIONS / 2);
    }

    @Test
    void shouldOpenOrRefuseEveryDamagedDescription() throws IOException {
        FolderBuilder.aQuantisedQwen3().write(folder);
        Outcome outcome = mutate(folder, folder.resolve("quant_model_description.json"), Integer.MAX_VALUE);
        assertThat(outcome.refused()).isGreaterThan(MUTATIONS / 2);
    }

    @Test
    void shouldOpenOrRefuseEveryDamagedQuantisedFile() throws IOException {
        FolderBuilder.aQuantisedQwen3().write(folder);
        Outcome outcome = mutate(folder, folder.resolve("quant_model_weights.safetensors"), 6000);
        assertThat(outcome.refused()).isGreaterThan(MUTATIONS / 2);
    }

    @Test
    void shouldOpenOrRefuseEveryDamagedGguf() throws IOException {
        Path file = GgufBuilder.aLlama().write(folder);
        Outcome outcome = mutate(file, file, 1400);
        assertThat(outcome.refused()).isGreaterThan(MUTATIONS / 2);
        assertThat(outcome.opened()).isPositive();
    }
}
