package dev.tandem.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.tandem.text.template.ChatTemplate;
import dev.tandem.text.template.TemplateException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A byte-level BPE vocabulary through the Hugging Face tokenizers library. Thread-safe; holds native memory until closed. Works offline
 * and writes nothing that outlives loading.
 *
 * <p>Ids: a negative id is an {@link IllegalArgumentException} everywhere. An id past the vocabulary is one in {@link #decode}, where ids
 * come from a client; elsewhere it is a token without text, because a model may sample a row that only pads its embedding.
 */
public final class Tokenizer implements AutoCloseable {
    private final Vocabulary vocabulary;
    private final int maxTextLength;
    private final Optional<String> template; // its source
    private final Map<String, String> specialTokens;
    private final TokenizersLibrary library;
    /** Encoding reads, closing writes: the native tokenizer must not go while another thread is inside it. */
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    /** Address of the native tokenizer, 0 once closed. Guarded by the lock. */
    private long handle;

    Tokenizer(TokenizerSource source) {
        vocabulary = Vocabulary.of(source.description(), source.name());
        maxTextLength = NativeTextLimit.of(source.description(), source.name());
        specialTokens = source.specialTokens();
        template = source.template();
        library = NativeLibrary.get();
        handle = nativeTokenizer(library, source);
    }

    /**
     * Reads {@code tokenizer.json} of a Hugging Face folder, and where present {@code tokenizer_config.json},
     * {@code special_tokens_map.json}, {@code chat_template.jinja} and {@code chat_template.json}.
     *
     * @throws TokenizerException when a file is missing or broken, the vocabulary is not byte-level BPE, or a step or pattern before it
     *     cannot be bounded: some texts would end the process
     */
    public static Tokenizer openFolder(Path folder) {
        return new Tokenizer(TokenizerFolder.read(folder));
    }

    /**
     * Turns a GGUF vocabulary ({@code tokenizer.ggml.*} keys, {@code tokenizer.chat_template}) into the same.
     *
     * @param metadata values as strings, booleans, numbers, and arrays or lists of these
     * @throws TokenizerException when a key is missing, or the vocabulary or its pre-tokenizer is of a sort that is not handled
     */
    public static Tokenizer ofGguf(Map<String, Object> metadata) {
        return new Tokenizer(new GgufVocabulary(metadata).source());
    }

    /**
     * Ids of a text; with {@code addSpecialTokens} also what the post-processor puts around it. Added tokens that stand in the text become
     * their ids either way. Lone surrogates count as U+FFFD.
     *
     * @throws IllegalArgumentException when the text is longer than {@link #maxTextLength}
     */
    public int[] encode(String text, boolean addSpecialTokens) {
        if (text.length() > maxTextLength) {
            throw new IllegalArgumentException(
                    "the text has " + text.length() + " characters, more than " + maxTextLength);
        }
        String wellFormed = wellFormed(text);
        lock.readLock().lock();
        try {
            if (handle == 0) {
                throw new IllegalStateException("tokenizer is closed");
            }
            long encoding = library.encode(handle, wellFormed, addSpecialTokens);
            try {
                return toInts(library.getTokenIds(encoding));
            } finally {
                library.deleteEncoding(encoding);
            }
        } finally {
            lock.readLock().unlock();
        }
    }

    /**
     * Text of ids; ill-formed UTF-8 becomes U+FFFD, special tokens are left out on request.
     *
     * @throws IllegalArgumentException when an id is negative or not below {@link #vocabularySize}
     */
    public String decode(int[] ids, boolean skipsSpecialTokens) {
        StringBuilder text = new StringBuilder();
        Utf8Stream utf8 = new Utf8Stream();
        for (int id : ids) {
            if (id < 0 || id >= vocabulary.size()) {
                throw new IllegalArgumentException("token id " + id + " is not in [0, " + vocabulary.size() + ")");
            }
            if (!skipsSpecialTokens || !vocabulary.isSpecial(id)) {
                utf8.decode(vocabulary.bytes(id), text);
            }
        }
        utf8.finish(text);
        return text.toString();
    }

    /** Characters of the longest text that can be encoded: what the native library takes without ending the process. */
    public int maxTextLength() {
        return maxTextLength;
    }

    /** Characters of the longest token. */
    public int longestTokenLength() {
        return vocabulary.longestTokenLength();
    }

    /** Bytes of the text that {@link #decode} makes of ids, special tokens included; ids past the vocabulary have none. */
    public long byteCount(int[] ids) {
        long count = 0;
        for (int id : ids) {
            count += vocabulary.bytes(id).length;
        }
        return count;
    }

    /** Bytes that a token stands for (a copy); empty for ids without a token. */
    public byte[] tokenBytes(int id) {
        return vocabulary.bytes(id).clone();
    }

    /** Whether the vocabulary marks the token as special: a control token that is not part of a text. */
    public boolean isSpecial(int id) {
        return vocabulary.isSpecial(id);
    }

    /** The vocabulary's own spelling of a token, for {@code logprobs}; empty for unknown ids. */
    public Optional<String> tokenText(int id) {
        return Optional.ofNullable(vocabulary.text(id));
    }

    /** {@code bos_token}, {@code eos_token}, … by name, without those that the model leaves null. */
    public Map<String, String> specialTokens() {
        return specialTokens;
    }

    /** One more than the largest id with a token. */
    public int vocabularySize() {
        return vocabulary.size();
    }

    /**
     * The chat template that came with the vocabulary, parsed anew by each call; of several named ones {@code default}.
     *
     * @throws TemplateException when there is one that cannot be parsed
     */
    public Optional<ChatTemplate> chatTemplate() {
        try {
            return template.map(source -> ChatTemplate.parse(source, specialTokens));
        } catch (TemplateException e) {
            throw new TemplateException("The model's chat template cannot be used: " + e.getMessage());
        }
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                library.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    private static long nativeTokenizer(TokenizersLibrary library, TokenizerSource source) {
        try {
            long handle = library.createTokenizerFromString(source.description().toString());
            library.disableTruncation(handle);
            library.disablePadding(handle);
            return handle;
        } catch (RuntimeException e) { // what the JNI layer throws has no narrower type
            String message = source.name() + " is refused by the tokenizers library: " + e.getMessage();
            throw new TokenizerException(TokenizerException.Kind.UNSUPPORTED, message, e);
        }
    }

    private static int[] toInts(long[] ids) {
        int[] ints = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            ints[i] = Math.toIntExact(ids[i]);
        }
        return ints;
    }

    /** The text with U+FFFD for lone surrogates, which have no UTF-8. */
    private static String wellFormed(String text) {
        StringBuilder repaired = null;
        for (int i = 0; i < text.length(); i++) {
            char unit = text.charAt(i);
            if (!Character.isSurrogate(unit)) {
                continue;
            }
            if (Character.isHighSurrogate(unit)
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
                continue;
            }
            if (repaired == null) {
                repaired = new StringBuilder(text);
            }
            repaired.setCharAt(i, '\uFFFD');
        }
        return repaired == null ? text : repaired.toString();
    }
}
