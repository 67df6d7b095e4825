package dev.tandem.engine.handoff.ranktable;

import java.net.InetAddress;
import java.util.Collection;
import java.util.regex.Pattern;

/** Addresses as a rank table writes them: literal, no names, no zones. Pure: nothing is looked up. */
public final class Addresses {
    private static final Pattern VERSION_4 = Pattern.compile("[0-9]{1,3}(\\.[0-9]{1,3}){3}");
    private static final Pattern VERSION_6 = Pattern.compile("[0-9a-fA-F:.]*:[0-9a-fA-F:.]*");

    private Addresses() {}

    /** Whether a text is one: four decimal numbers without leading zeros, or an IPv6 address. */
    public static boolean isAddress(String text) {
        if (!VERSION_4.matcher(text).matches() && !VERSION_6.matcher(text).matches()) {
            return false;
        }
        try {
            InetAddress address = InetAddress.ofLiteral(text);
            return text.indexOf(':') >= 0 || address.getHostAddress().equals(text);
        } catch (IllegalArgumentException e) {
            return false; // a part of it is out of its range
        }
    }

    static void require(String field, String text) {
        if (!isAddress(text)) {
            throw RankTableException.refuse(field, "an IPv4 or IPv6 address", '\'' + text + '\'');
        }
    }

    /** An address that {@link #require} has let pass. */
    static InetAddress parsed(String text) {
        return InetAddress.ofLiteral(text);
    }

    /** Whether one of a host's addresses is meant; of 127/8 every one is a host's own, though only 127.0.0.1 is listed. */
    public static boolean isOwn(InetAddress address, Collection<InetAddress> own) {
        return address.isLoopbackAddress() || own.contains(address);
    }
}
