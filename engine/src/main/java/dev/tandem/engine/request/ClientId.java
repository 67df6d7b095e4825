package dev.tandem.engine.request;

/**
 * Whose request it is, so that one who asks for much does not make others wait. Who shares an address tells its clients apart by name, as a
 * gateway does; a name that is made up divides the share of its address and no other. Never logged.
 *
 * @param address that the request came from, or the network that counts as one ({@code PeerHost})
 * @param name of the client at that address, may be empty
 */
public record ClientId(String address, String name) {
    /** Longest address or name, in characters. */
    public static final int MAX_LENGTH = 128;

    /** Of requests whose client does not matter. */
    public static final ClientId NONE = new ClientId("", "");

    /** Cuts what is longer than it may be. */
    public ClientId {
        address = address.substring(0, Math.min(address.length(), MAX_LENGTH));
        name = name.substring(0, Math.min(name.length(), MAX_LENGTH));
    }
}
