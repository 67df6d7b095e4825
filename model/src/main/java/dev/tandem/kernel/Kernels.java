package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Whole operations on tensors, made for the kernel threads of one rank and called by its rank worker alone, one operation at a time. {@code
 * ScalarKernels} is the specification; every implementation gives the same bits. {@code KernelSelection} chooses one.
 *
 * <p><b>The one reduction order.</b> A sum over n values (dot product, sum of squares, softmax denominator) is made in 16 virtual
 * lanes: value i goes to lane {@code i % 16} by {@code lane = fma(a_i, b_i, lane)} (plain {@code +} where nothing is multiplied),
 * lanes start at +0; then {@code l[j] += l[j+8]} for j < 8, {@code l[j] += l[j+4]} for j < 4, {@code l[j] += l[j+2]} for j < 2,
 * {@code l[0] + l[1]}. A row's result never depends on how many rows are computed beside it, on the number of threads, or on the
 * width of the machine's vectors. Stored types (bf16, f16, Q8_0, Q4_0, Q4_1) are widened to float32 exactly as dequantised (for Q4_1
 * {@code fma(scale, nibble, minimum)}) and then enter the same sum.
 *
 * <p><b>Mixes</b> are sums of vectors (values of the cache, rows of a matrix, scores of index heads) by weights: each value of the result
 * is one chain {@code fma(weight, value, sum)} that starts at +0, terms ascending.
 *
 * <p>{@code exp} is a polynomial of our own ({@code Exp}), the same in scalar and vector code. Activations are float32.
 */
public interface Kernels {
    /** Has the threads of an operation ask often whether to go on, from any of them; what that throws leaves the operation half done. */
    void checkWith(Runnable check);

    /**
     * {@code out[r, outColumn + o] = dot(x[r, :], weight[o, :])} for r < rows, o < weight.rows(). An {@link Int8Weight} has its own
     * formula, with an exact sum.
     *
     * @param x [rows, weight.columns()]
     * @param weight [out, in], any stored type of weights, or int8
     * @param out [rows, at least outColumn + weight.rows()]
     */
    void linear(Matrix x, int rows, LinearWeight weight, Matrix out, int outColumn);

    /**
     * The product for a few chosen rows: {@code out[to(i), :] = dot(x[from(i), :], weight)}. Experts use it, whose tokens are scattered.
     *
     * @param fromRows rows of x, at least {@code count}
     * @param toRows rows of out, at least {@code count}
     */
    void linearRows(Matrix x, int[] fromRows, LinearWeight weight, Matrix out, int[] toRows, int count);

    /**
     * Several products of the same rows of x: each part as {@link #linear(Matrix, int, LinearWeight, Matrix, int)}, in one
     * loop of the threads where the weights allow it. Parts write to different places.
     *
     * @param parts weights of x's columns; built once, so that a step allocates nothing
     */
    void linear(Matrix x, int rows, List<LinearPart> parts);

    /** Several products of a few chosen rows of x, into chosen rows of every part's out. */
    void linearRows(Matrix x, int[] fromRows, List<LinearPart> parts, int[] toRows, int count);

    /** {@code out[r, :] = table[ids[r], :]} widened to float32, for r < rows. */
    void embed(int[] ids, int rows, Tensor table, Matrix out);

    /** {@code out[r] = weight * (x[r] / sqrt(mean(x[r]^2) + epsilon))} for r < rows; x and out may be the same matrix. */
    void rmsNorm(Matrix x, int rows, Tensor weight, float epsilon, Matrix out);

    /**
     * RMS norm of every head on its own, in place: columns {@code [column + h*headDim, …)} for h < heads of each row.
     *
     * @param weight [headDim]
     */
    void headNorm(Matrix x, int rows, int column, int heads, Tensor weight, float epsilon);

    /**
     * Half-split rotary embedding in place: pair (i, i + d/2) of every head turns by position * inverse frequency i.
     *
     * @param positions position of each row
     * @param table cosines and sines by position
     */
    void rotate(Matrix x, int rows, int column, int heads, int headDim, int[] positions, RotaryTable table);

    /** {@code x[r, :] += y[r, :]}. */
    void add(Matrix x, Matrix y, int rows);

    /** {@code x[to, :] = fma(scale, y[from, :], x[to, :])}. */
    void addScaledRow(Matrix x, int toRow, float scale, Matrix y, int fromRow);

    /** {@code gate[r, i] = silu(gate[r, i]) * up[r, i]} for i < columns, silu(v) = v / (1 + exp(-v)). */
    void siluMultiply(Matrix gate, Matrix up, int rows, int columns);

    /** In place softmax of each row's first {@code columns} values: subtract the maximum, exp, divide by the sum. */
    void softmax(Matrix x, int rows, int columns);

    /**
     * Causal attention of the rows of one batch over the paged cache, heads grouped: query head h reads KV head {@code h / (queryHeads /
     * kvHeads)}. For a row at position p of its sequence: scores {@code scale * dot(q, k_s)} for s = 0..p (the scale is applied to
     * the finished dot product), softmax over them in the one reduction order, {@code out = sum over s ascending of fma(p_s, v_s, out)}
     * with p_s already divided by the sum. Keys and values are read as rounded in the cache.
     *
     * @param q query of row r at columns {@code [column, column + queryHeads*headDim)}
     * @param out [rows, queryHeads*headDim]
     */
    void attention(
            Matrix q,
            int column,
            Matrix out,
            KvPlaneView keys,
            KvPlaneView values,
            AttentionRows rows,
            AttentionShape shape);

    /**
     * Every head's part of a row by a matrix of its own: {@code out[r, to(h) + o] = dot(x[r, from(h)...], weight[h][o, :])} for o <
     * weight.rows().
     */
    void headLinear(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to);

    /**
     * Every head's part of a row by the transpose of its matrix, which stays as it is stored: {@code out[r, to(h) + c]} is the mix of
     * {@code weight[h][i, c]} by {@code x[r, from(h) + i]}, i < weight.rows() ascending. {@code out} is another matrix than {@code x}.
     */
    void headMix(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to);

    /**
     * Causal attention over latents, all heads reading the same: as {@link #attention} with one KV head whose key is the latent followed by
     * the rotary key (one dot product over both), and whose value is the latent.
     *
     * @param q [rows, heads * (latent + rotary)]
     * @param out [rows, heads * latent]
     * @param latents plane of one head of {@code shape.latent()} values
     * @param rotaryKeys plane of one head of {@code shape.rotary()} values
     */
    void latentAttention(
            Matrix q, Matrix out, KvPlaneView latents, KvPlaneView rotaryKeys, AttentionRows rows, LatentShape shape);

    /**
     * {@link #latentAttention} over the selected positions of each row, ascending, and no others; the work grows with them, not with the
     * context.
     */
    void sparseLatentAttention(
            Matrix q,
            Matrix out,
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            LatentShape shape,
            SelectedPositions selected);

    /**
     * Selects the positions that each row attends to: all up to its own while these are at most {@code selected.most()}, else those with
     * the largest scores, of equal ones the lowest. The score of position s is the mix of {@code max(0, dot(q[r, h], k_s))} by {@code
     * weights[r, h]}, heads ascending.
     *
     * @param q [rows, index heads * keys.headDim()]
     * @param weights [rows, index heads]
     * @param keys plane of one head
     */
    void selectPositions(Matrix q, Matrix weights, KvPlaneView keys, AttentionRows rows, SelectedPositions selected);

    /** Widens {@code count} stored values to float32: for tests, tables and the few places that need a whole tensor. */
    void widen(DType dtype, MemorySegment data, float[] out, int count);
}
