package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Addresses;
import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Network cards of this host.
 *
 * @param cards in the order of the operating system
 */
public record HostNetwork(List<Card> cards) {
    public HostNetwork {
        cards = List.copyOf(cards);
    }

    /**
     * A network card.
     *
     * @param name as {@code ifconfig} shows it
     * @param isLoopback whether every address of 127/8 is its own, also those that it does not list
     * @param addresses that it has
     */
    public record Card(String name, boolean isLoopback, List<InetAddress> addresses) {
        public Card {
            addresses = List.copyOf(addresses);
        }

        boolean has(InetAddress address) {
            return addresses.contains(address) || (isLoopback && address.isLoopbackAddress());
        }

        @Override
        public String toString() {
            return name
                    + addresses.stream().map(InetAddress::getHostAddress).collect(Collectors.joining(", ", " (", ")"));
        }
    }

    /** Asks the operating system. */
    public static HostNetwork here() throws IOException {
        var cards = new ArrayList<Card>();
        for (NetworkInterface each : NetworkInterface.networkInterfaces().toList()) {
            cards.add(new Card(
                    each.getName(), each.isLoopback(), each.inetAddresses().toList()));
        }
        return new HostNetwork(cards);
    }

    Optional<Card> card(String name) {
        return cards.stream().filter(card -> card.name().equals(name)).findFirst();
    }

    Optional<Card> holder(InetAddress address) {
        return cards.stream().filter(card -> card.has(address)).findFirst();
    }

    /** Whether an address is this host's. */
    public boolean isOwn(InetAddress address) {
        return Addresses.isOwn(
                address,
                cards.stream().flatMap(card -> card.addresses().stream()).toList());
    }

    @Override
    public String toString() {
        return cards.stream().map(Card::toString).collect(Collectors.joining(", "));
    }
}
