package dev.tandem.preflight.ranktable;

import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.ranktable.HostNetwork.Card;
import java.net.InetAddress;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Which of the nodes this process stands for: the one whose address the network card has, or all of them where all are on this host. Pure.
 */
public final class LocalNodes {
    private LocalNodes() {}

    /**
     * Chooses.
     *
     * @param nodes addresses of all nodes
     * @param cardName {@code --network-card-name}; without it any card counts
     * @param localAddress {@code --local-ip}, where the card has several of the addresses
     * @return indexes into nodes: one, or all
     * @throws FlagException naming the cards and addresses that there are
     */
    public static List<Integer> choose(
            List<String> nodes, Optional<String> cardName, Optional<String> localAddress, HostNetwork network) {
        Optional<Card> card = cardName.map(name -> network.card(name)
                .orElseThrow(() -> new FlagException(
                        "--network-card-name " + name + ": this host has no such card; it has " + network)));
        List<Integer> here = IntStream.range(0, nodes.size())
                .filter(index -> isHere(nodes.get(index), card, network))
                .boxed()
                .toList();
        if (localAddress.isPresent()) {
            int index = nodes.indexOf(localAddress.get());
            if (index < 0) {
                throw new FlagException("--local-ip " + localAddress.get() + " is not in --ips " + nodes);
            }
            if (!here.contains(index)) {
                throw new FlagException("--local-ip " + localAddress.get() + " is not an address of "
                        + card.map(Card::toString).orElse("this host, which has " + network));
            }
            return List.of(index);
        }
        if (here.isEmpty()) {
            throw new FlagException(noneHere(nodes, card, network));
        }
        if (here.size() > 1 && here.size() < nodes.size()) {
            throw new FlagException("this host has several of --ips: "
                    + here.stream().map(nodes::get).toList() + "; start a process for each, with --local-ip");
        }
        return here;
    }

    private static boolean isHere(String node, Optional<Card> card, HostNetwork network) {
        InetAddress address = InetAddress.ofLiteral(node);
        return card.map(given -> given.has(address)).orElseGet(() -> network.isOwn(address));
    }

    private static String noneHere(List<String> nodes, Optional<Card> card, HostNetwork network) {
        var text = new StringBuilder();
        text.append(card.map(given -> "--network-card-name " + given).orElse("this host, " + network + ","));
        text.append(" has none of --ips ").append(nodes);
        for (String node : nodes) {
            network.holder(InetAddress.ofLiteral(node))
                    .ifPresent(holder ->
                            text.append("; ").append(node).append(" is on ").append(holder.name()));
        }
        return text.toString();
    }
}
