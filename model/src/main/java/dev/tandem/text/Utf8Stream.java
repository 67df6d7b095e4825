package dev.tandem.text;

/**
 * Decodes UTF-8 that arrives in arbitrary pieces. An incomplete sequence is held back; every maximal ill-formed part becomes one U+FFFD
 * (Unicode 3.9, table 3-8; the WHATWG Encoding Standard's UTF-8 decoder). Where the text may come out earlier or later it comes when
 * CPython's incremental decoder, and with it every vLLM client, gives it: the first two bytes of a surrogate wait for the next byte.
 * Belongs to one stream.
 */
final class Utf8Stream {
    private static final char REPLACEMENT = '\uFFFD';

    private int codePoint;
    private int bytesToCome;
    /** Range that the next continuation byte must lie in; narrower after E0, ED, F0 and F4. */
    private int lowest = 0x80;

    private int highest = 0xBF;
    /** ED A0…BF was read: two ill-formed parts, already certain. */
    private boolean holdsSurrogate;

    void decode(byte[] bytes, StringBuilder text) {
        for (byte signed : bytes) {
            int value = signed & 0xFF;
            flushSurrogate(text);
            if (bytesToCome > 0 && (value < lowest || value > highest)) {
                if (highest == 0x9F && value >= 0xA0 && value <= 0xBF) {
                    bytesToCome = 0;
                    highest = 0xBF;
                    holdsSurrogate = true;
                    continue;
                }
                endIllFormed(text);
            }
            if (bytesToCome == 0) {
                begin(value, text);
            } else {
                append(value, text);
            }
        }
    }

    /** The end of the stream: what is held back can no longer be completed. */
    void finish(StringBuilder text) {
        flushSurrogate(text);
        if (bytesToCome > 0) {
            endIllFormed(text);
        }
    }

    private void flushSurrogate(StringBuilder text) {
        if (holdsSurrogate) {
            holdsSurrogate = false;
            text.append(REPLACEMENT).append(REPLACEMENT);
        }
    }

    private void begin(int value, StringBuilder text) {
        if (value < 0x80) {
            text.append((char) value);
        } else if (value >= 0xC2 && value <= 0xDF) {
            expect(1, value & 0x1F);
        } else if (value >= 0xE0 && value <= 0xEF) {
            expect(2, value & 0x0F);
            lowest = value == 0xE0 ? 0xA0 : 0x80;
            highest = value == 0xED ? 0x9F : 0xBF;
        } else if (value >= 0xF0 && value <= 0xF4) {
            expect(3, value & 0x07);
            lowest = value == 0xF0 ? 0x90 : 0x80;
            highest = value == 0xF4 ? 0x8F : 0xBF;
        } else {
            text.append(REPLACEMENT);
        }
    }

    private void append(int value, StringBuilder text) {
        codePoint = (codePoint << 6) | (value & 0x3F);
        bytesToCome--;
        lowest = 0x80;
        highest = 0xBF;
        if (bytesToCome == 0) {
            text.appendCodePoint(codePoint);
        }
    }

    private void expect(int count, int bits) {
        bytesToCome = count;
        codePoint = bits;
        lowest = 0x80;
        highest = 0xBF;
    }

    private void endIllFormed(StringBuilder text) {
        bytesToCome = 0;
        text.append(REPLACEMENT);
    }
}
