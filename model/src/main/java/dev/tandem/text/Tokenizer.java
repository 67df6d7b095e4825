package dev.tandem.text;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** A byte-level BPE vocabulary through the Hugging Face tokenizers library. Thread-safe; holds native memory until closed. */
public final class Tokenizer implements AutoCloseable {
    /** Reads {@code tokenizer.json} (and {@code tokenizer_config.json}) of a Hugging Face folder. */
    public static Tokenizer openFolder(Path folder) {
        throw new IllegalStateException("contract only " + folder);
    }

    /** Turns a GGUF vocabulary ({@code tokenizer.ggml.*} keys) into the same. */
    public static Tokenizer ofGguf(Map<String, Object> metadata) {
        throw new IllegalStateException("contract only " + metadata.size());
    }

    /** Ids of a text; with {@code addSpecialTokens} also what the post-processor puts around it. */
    public int[] encode(String text, boolean addSpecialTokens) {
        throw new IllegalStateException("contract only");
    }

    /** Text of ids; ill-formed UTF-8 becomes U+FFFD, special tokens are left out on request. */
    public String decode(int[] ids, boolean skipsSpecialTokens) {
        throw new IllegalStateException("contract only");
    }

    /** Bytes that a token stands for; empty for ids without a token. */
    public byte[] tokenBytes(int id) {
        throw new IllegalStateException("contract only");
    }

    public boolean isSpecial(int id) {
        throw new IllegalStateException("contract only");
    }

    /** The vocabulary's own spelling of a token, for {@code logprobs}; empty for unknown ids. */
    public Optional<String> tokenText(int id) {
        throw new IllegalStateException("contract only");
    }

    /** One more than the largest id with a token. */
    public int vocabularySize() {
        throw new IllegalStateException("contract only");
    }

    /** The chat template that came with the vocabulary. */
    public Optional<ChatTemplate> chatTemplate() {
        throw new IllegalStateException("contract only");
    }

    @Override
    public void close() {}
}
