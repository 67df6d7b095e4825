package dev.tandem.trust;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;

/** What counts as one host wherever connections, guesses, requests or turns are counted by address. Who may do what goes by whole addresses. */
public final class PeerHost {
    private static final int NETWORK_BYTES = 8; // of an IPv6 address: a host chooses the others as it likes

    private PeerHost() {}

    /** An IPv4 address, or an IPv6 network of 64 bits such as {@code 2001:db8:1:2:0:0:0:0/64}. */
    public static String of(InetAddress address) {
        if (!(address instanceof Inet6Address)) {
            return address.getHostAddress();
        }
        byte[] network = address.getAddress();
        Arrays.fill(network, NETWORK_BYTES, network.length, (byte) 0);
        try {
            return InetAddress.getByAddress(network).getHostAddress() + "/" + NETWORK_BYTES * Byte.SIZE;
        } catch (UnknownHostException e) {
            throw new IllegalStateException("an address of " + network.length + " bytes", e);
        }
    }
}
