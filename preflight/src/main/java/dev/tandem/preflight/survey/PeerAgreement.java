package dev.tandem.preflight.survey;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.Owners;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** What nodes should have in common. Pure. */
final class PeerAgreement {
    private PeerAgreement() {}

    static List<Finding> of(List<PeerFacts> nodes) {
        var findings = new ArrayList<Finding>();
        findings.add(
                same(
                        nodes,
                        "MTU",
                        facts -> facts.mtu() < 0 ? "unknown" : Long.toString(facts.mtu()),
                        "packets that are too large for one side are dropped or cut: ip link set dev NIC mtu …, and at the switch"));
        findings.add(same(nodes, "version", PeerFacts::version, "run one version of Tandem on all nodes"));
        findings.add(kernels(nodes));
        return findings;
    }

    private static Finding same(List<PeerFacts> nodes, String subject, Function<PeerFacts, String> value, String fix) {
        Owners owners = owners(nodes, value);
        return owners.byValue().size() == 1
                ? Finding.of(
                        Severity.WELL,
                        subject + " of all nodes",
                        owners.byValue().firstKey())
                : new Finding(Severity.WARNING, subject + " of all nodes", owners.toString(), fix);
    }

    /** Widths give the same bits, so a difference only costs speed. */
    private static Finding kernels(List<PeerFacts> nodes) {
        return Finding.of(
                Severity.NOTE,
                "kernels of all nodes",
                owners(nodes, PeerFacts::kernels).toString());
    }

    private static Owners owners(List<PeerFacts> nodes, Function<PeerFacts, String> value) {
        var owners = new Owners();
        nodes.forEach(facts -> owners.add(value.apply(facts), facts.offer().host()));
        return owners;
    }
}
