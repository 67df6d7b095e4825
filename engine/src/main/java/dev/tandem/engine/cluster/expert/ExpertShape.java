package dev.tandem.engine.cluster.expert;

import dev.tandem.layer.ExpertBank;

/**
 * What a model's expert layers look like.
 *
 * @param expertsByLayer experts of each decoder layer; 0 for a dense one, else the same number everywhere
 * @param hiddenSize values of a row
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record ExpertShape(int[] expertsByLayer, int hiddenSize) {
    static ExpertShape of(ExpertBank bank, int hiddenSize) {
        var experts = new int[bank.layers()];
        for (int layer = 0; layer < experts.length; layer++) {
            experts[layer] = bank.experts(layer);
        }
        return new ExpertShape(experts, hiddenSize);
    }

    /** Experts of every layer that has any. */
    int experts() {
        int experts = 0;
        for (int its : expertsByLayer) {
            if (its != 0 && experts != 0 && its != experts) {
                throw new IllegalArgumentException("layers with " + experts + " and with " + its + " experts");
            }
            experts = Math.max(experts, its);
        }
        return experts;
    }

    int rowBytes() {
        return hiddenSize * Float.BYTES;
    }
}
