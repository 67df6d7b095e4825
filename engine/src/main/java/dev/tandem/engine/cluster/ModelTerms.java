package dev.tandem.engine.cluster;

import dev.tandem.checkpoint.ModelConfig;

/**
 * What a process says about its model.
 *
 * @param architecture family of the model
 * @param sizes layers, hidden size, vocabulary and experts, as one text for people
 * @param fingerprint of {@link ModelFingerprint}
 * @param numbers how weights are read: {@code --dtype} and {@code --quantization}
 * @param maxModelLength longest prompt plus output, tokens
 */
public record ModelTerms(String architecture, String sizes, String fingerprint, Numbers numbers, int maxModelLength) {
    /**
     * @param dtype as resolved, {@code float32} or {@code bfloat16}
     * @param quantization as resolved, {@code none} or a scheme
     */
    public record Numbers(String dtype, String quantization) {}

    /** Terms of an opened checkpoint. */
    public static ModelTerms of(ModelConfig config, String fingerprint, Numbers numbers, int maxModelLength) {
        String experts = config.feedForward()
                .experts()
                .map(its -> ", " + its.count() + " experts of which " + its.active() + " active")
                .orElse("");
        String sizes = config.layers() + " layers, hidden size " + config.hiddenSize() + ", vocabulary "
                + config.vocabularySize() + experts;
        return new ModelTerms(config.architecture().name(), sizes, fingerprint, numbers, maxModelLength);
    }
}
