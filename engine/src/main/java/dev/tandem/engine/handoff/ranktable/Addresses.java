package dev.tandem.engine.handoff.ranktable;

import java.net.InetAddress;
import java.util.Collection;
import java.util.regex.Pattern;

/** Addresses as a rank table writes them: literal, no names, no zones. Pure: nothing is looked up. */
final class Addresses {
    private static final Pattern VERSION_4 = Pattern.compile("[0-9]{1,3}(\\.[0-9]{1,3}){3}");
    private static final Pattern VERSION_6 = Pattern.compile("[0-9a-fA-F:.]*:[0-9a-fA-F:.]*");

    private Addresses() {}

    static void require(String field, String text) {
        String expected = "an IPv4 or IPv6 address";
        if (!VERSION_4.matcher(text).matches() && !VERSION_6.matcher(text).matches()) {
            throw RankTableException.refuse(field, expected, '\'' + text + '\'');
        }
        try {
            InetAddress address = InetAddress.ofLiteral(text);
            if (text.indexOf(':') < 0 && !address.getHostAddress().equals(text)) {
                throw RankTableException.refuse(field, address.getHostAddress(), '\'' + text + '\'');
            }
        } catch (IllegalArgumentException e) {
            throw new RankTableException(
                    field + ": expected " + expected + ", found '" + RankTableException.shown(text) + '\'', e);
        }
    }

    /** An address that {@link #require} has let pass. */
    static InetAddress parsed(String text) {
        return InetAddress.ofLiteral(text);
    }

    /** Whether one of a host's addresses is meant; of 127/8 every one is a host's own, though only 127.0.0.1 is listed. */
    static boolean isOwn(InetAddress address, Collection<InetAddress> own) {
        return address.isLoopbackAddress()
                || own.stream().anyMatch(each -> each.equals(address));
    }
}
