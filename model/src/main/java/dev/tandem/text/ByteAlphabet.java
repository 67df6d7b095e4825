package dev.tandem.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The alphabet in which byte-level BPE vocabularies spell bytes: printable Latin-1 characters stand for themselves, the other 68 bytes in
 * ascending order for U+0100, U+0101, … (GPT-2, {@code bytes_to_unicode} of its encoder).
 */
final class ByteAlphabet {
    /** Byte that a character stands for, −1 for none. [character] */
    private static final short[] BYTE_OF_CHARACTER = byteOfCharacter();

    private ByteAlphabet() {}

    /** Bytes that a token spells, or its UTF-8 where a character is outside the alphabet, as the library's decoder has it. */
    static byte[] bytes(String token) {
        byte[] spelled = spelledBytes(token);
        return spelled != null ? spelled : token.getBytes(StandardCharsets.UTF_8);
    }

    private static byte @Nullable [] spelledBytes(String token) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            char character = token.charAt(i);
            if (character >= BYTE_OF_CHARACTER.length || BYTE_OF_CHARACTER[character] < 0) {
                return null;
            }
            bytes[i] = (byte) BYTE_OF_CHARACTER[character];
        }
        return bytes;
    }

    private static short[] byteOfCharacter() {
        short[] table = new short[256 + 68];
        Arrays.fill(table, (short) -1);
        int next = 256;
        for (int value = 0; value < 256; value++) {
            table[isPrintable(value) ? value : next++] = (short) value;
        }
        return table;
    }

    private static boolean isPrintable(int value) {
        return (value >= '!' && value <= '~') || (value >= 0xA1 && value <= 0xAC) || value >= 0xAE;
    }
}
