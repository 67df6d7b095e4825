package dev.tandem.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.scalar.Int8Rows;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.model.GoldenTensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Int8 layers against linear.safetensors, bit for bit: real activations, ties, zeros, values beyond the range. */
@ParameterizedClass
@ValueSource(strings = {"qwen3-moe-w8a8", "deepseek-v3.2-w8a8"})
class Int8GoldenTest {
    private final GoldenTensors golden;
    private final KernelThreads threads = new KernelThreads(2, 1);
    private final List<Kernels> implementations = List.of(new ScalarKernels(threads), new VectorKernels(threads));
    private final Checkpoint checkpoint;

    Int8GoldenTest(String name) {
        Path folder = Path.of(System.getProperty("tandem.root"), "fixtures", "golden", name);
        golden = new GoldenTensors(folder.resolve("golden/linear.safetensors"));
        checkpoint = Checkpoint.open(folder);
    }

    @AfterEach
    void close() {
        threads.close();
        checkpoint.close();
    }

    @Test
    void shouldMultiplyAsTheGolden() {
        forEachLayer((name, weight) -> {
            Matrix x = matrix(golden.floats(name + ".x"), weight.columns());
            for (Kernels kernels : implementations) {
                Matrix y = Matrix.of(x.rows(), weight.rows());
                kernels.linear(x, x.rows(), weight, y, 0);
                assertThat(y.values())
                        .as("%s by %s", name, kernels.getClass().getSimpleName())
                        .isEqualTo(golden.floats(name + ".y"));
            }
        });
    }

    @Test
    void shouldMultiplyEachRowAloneAsAmongOthers() {
        forEachLayer((name, weight) -> {
            Matrix x = matrix(golden.floats(name + ".x"), weight.columns());
            for (Kernels kernels : implementations) {
                Matrix y = Matrix.of(x.rows(), weight.rows());
                for (int row = x.rows() - 1; row >= 0; row--) {
                    kernels.linearRows(x, new int[] {row}, weight, y, new int[] {row}, 1);
                }
                assertThat(y.values())
                        .as("%s by %s", name, kernels.getClass().getSimpleName())
                        .isEqualTo(golden.floats(name + ".y"));
            }
        });
    }

    @Test
    void shouldMultiplyShardsOfOutputsAsTheWhole() {
        forEachLayer((name, weight) -> {
            Matrix x = matrix(golden.floats(name + ".x"), weight.columns());
            for (Kernels kernels : implementations) {
                Matrix y = Matrix.of(x.rows(), weight.rows());
                int part = weight.rows() / 8;
                for (int shard = 0; shard < 8; shard++) {
                    LinearWeight outputs = weight.slice(shard * part, (shard + 1) * part);
                    kernels.linear(x, x.rows(), outputs, y, shard * part);
                }
                assertThat(y.values())
                        .as("%s by %s", name, kernels.getClass().getSimpleName())
                        .isEqualTo(golden.floats(name + ".y"));
            }
        });
    }

    @Test
    void shouldQuantiseActivationsAsTheGolden() {
        forEachLayer((name, weight) -> {
            float[] x = golden.floats(name + ".x");
            int inputs = weight.columns();
            var q = new byte[x.length];
            var wholeNumbers = new float[x.length];
            for (int at = 0; at < x.length; at += inputs) {
                float scale = Int8Rows.quantise(x, at, inputs, weight.staticInput(), q, at);
                float vectorScale = vectorScale(x, at, weight, wholeNumbers);
                float expected =
                        weight.staticInput().isPresent() ? 1f : golden.floats(name + ".token_scale")[at / inputs];
                assertThat(scale).as(name).isEqualTo(expected);
                assertThat(vectorScale).as(name).isEqualTo(expected);
            }
            assertThat(q).as(name).isEqualTo(golden.bytes(name + ".q"));
            var fromVectors = new byte[x.length];
            for (int i = 0; i < x.length; i++) {
                fromVectors[i] = (byte) wholeNumbers[i];
            }
            assertThat(fromVectors).as(name).isEqualTo(q);
        });
    }

    private static float vectorScale(float[] x, int at, Int8Weight weight, float[] q) {
        return weight.staticInput().isPresent()
                ? VectorInt8.quantiseStatic(
                        x, at, weight.columns(), weight.staticInput().get(), q, at)
                : VectorInt8.quantiseDynamic(x, at, weight.columns(), q, at);
    }

    private void forEachLayer(BiConsumer<String, Int8Weight> test) {
        List<String> names = golden.namesWithout(".x");
        assertThat(names).hasSizeGreaterThan(20);
        int staticLayers = 0;
        for (String name : names) {
            LinearWeight weight = checkpoint
                    .quantization()
                    .orElseThrow()
                    .linear(
                            name + ".weight",
                            part -> Optional.ofNullable(checkpoint.tensors().get(part)));
            assertThat(weight).isInstanceOf(Int8Weight.class);
            staticLayers += ((Int8Weight) weight).staticInput().isPresent() ? 1 : 0;
            test.accept(name, (Int8Weight) weight);
        }
        assertThat(staticLayers).isEqualTo(8);
    }

    private static Matrix matrix(float[] values, int columns) {
        return new Matrix(Arrays.copyOf(values, values.length), values.length / columns, columns);
    }
}
