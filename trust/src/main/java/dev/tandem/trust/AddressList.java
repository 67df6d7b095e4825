package dev.tandem.trust;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Addresses and blocks of addresses, such as {@code 10.1.0.7} and {@code 10.2.0.0/16}; no names, which others could change. Immutable. */
public final class AddressList {
    /** Most entries. */
    public static final int MAX_ENTRIES = 1024;

    private static final Pattern LITERAL = Pattern.compile("\\d{1,3}(?:\\.\\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*");

    /** The first bits of an address. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Block(byte[] address, int bits) {
        boolean contains(byte[] other) {
            if (other.length != address.length) {
                return false;
            }
            for (int bit = 0; bit < bits; bit += Byte.SIZE) {
                int kept = Math.min(Byte.SIZE, bits - bit);
                int mask = 0xff << (Byte.SIZE - kept);
                if (((address[bit / Byte.SIZE] ^ other[bit / Byte.SIZE]) & mask) != 0) {
                    return false;
                }
            }
            return true;
        }
    }

    private final List<Block> blocks;
    private final String text;

    private AddressList(List<Block> blocks, String text) {
        this.blocks = blocks;
        this.text = text;
    }

    /** Nobody. */
    public static AddressList empty() {
        return new AddressList(List.of(), "");
    }

    /**
     * @param text entries, separated by commas or blanks
     * @throws IllegalArgumentException naming the entry
     */
    public static AddressList parse(String text) {
        var blocks = new ArrayList<Block>();
        for (String entry : text.split("[,\\s]+", -1)) {
            if (!entry.isEmpty()) {
                blocks.add(block(entry));
            }
        }
        if (blocks.size() > MAX_ENTRIES) {
            throw new IllegalArgumentException(blocks.size() + " addresses, at most " + MAX_ENTRIES + " are allowed");
        }
        return new AddressList(List.copyOf(blocks), text.strip());
    }

    public boolean isEmpty() {
        return blocks.isEmpty();
    }

    public boolean contains(InetAddress address) {
        byte[] bytes = address.getAddress();
        return blocks.stream().anyMatch(block -> block.contains(bytes));
    }

    @Override
    public String toString() {
        return text;
    }

    private static Block block(String entry) {
        int slash = entry.indexOf('/');
        String literal = slash < 0 ? entry : entry.substring(0, slash);
        try {
            if (!LITERAL.matcher(literal).matches()) {
                throw new UnknownHostException(literal);
            }
            byte[] address = InetAddress.getByName(literal).getAddress(); // a literal: nothing is looked up
            int all = address.length * Byte.SIZE;
            int bits = slash < 0 ? all : Integer.parseInt(entry.substring(slash + 1));
            if (bits < 0 || bits > all) {
                throw new IllegalArgumentException(entry + " has " + bits + " bits, 0 to " + all + " are allowed");
            }
            return new Block(address, bits);
        } catch (UnknownHostException | NumberFormatException e) {
            throw new IllegalArgumentException(
                    entry + " is not an address such as 10.1.0.7 or a block such as 10.2.0.0/16", e);
        }
    }
}
