package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What a process says about itself when it connects to another one of its deployment. All but version and placement must be the same on both
 * sides.
 *
 * @param tandemVersion for people; versions may differ as long as the protocol is the same
 * @param model what is computed
 * @param layout over which ranks
 * @param kv what its cache looks like
 * @param placement which of the ranks are here
 */
public record JoinTerms(
        String tandemVersion, ModelTerms model, ParallelLayout layout, KvTerms kv, MemberPlacement placement) {
    private static final int MAX_TEXT_BYTES = 512;

    /** A field that must be the same and is not. */
    record Mismatch(String field, String listening, String connecting) {}

    /** The first field in which the connecting side differs from this one, the listening one. */
    Optional<Mismatch> firstMismatch(JoinTerms connecting) {
        SequencedMap<String, String> theirs = connecting.facts();
        SequencedMap<String, String> ours = facts();
        for (Map.Entry<String, String> fact : ours.entrySet()) {
            String other = theirs.get(fact.getKey());
            if (!Objects.equals(fact.getValue(), other)) {
                return Optional.of(new Mismatch(fact.getKey(), fact.getValue(), other == null ? "none" : other));
            }
        }
        for (String field : theirs.keySet()) { // more planes than ours
            if (!ours.containsKey(field)) {
                return Optional.of(new Mismatch(field, "none", String.valueOf(theirs.get(field))));
            }
        }
        return Optional.empty();
    }

    /** What must agree, by the name that a message gives it. */
    private SequencedMap<String, String> facts() {
        var facts = new LinkedHashMap<String, String>();
        facts.put("data parallel size", "" + layout.dpSize());
        facts.put("tensor parallel size", "" + layout.tpSize());
        facts.put("expert parallel", layout.hasExpertParallel() ? "on" : "off");
        facts.put("load balancing", layout.isBalancedByHead() ? "by the head" : "outside");
        facts.put("model architecture", model.architecture());
        facts.put("model sizes", model.sizes());
        facts.put("dtype", model.numbers().dtype());
        facts.put("quantization", model.numbers().quantization());
        facts.put("max model length", "" + model.maxModelLength());
        facts.put("model fingerprint", model.fingerprint());
        facts.put("KV block size", "" + kv.blockSize());
        for (int plane = 0; plane < kv.planes().size(); plane++) {
            facts.put("KV plane " + plane, kv.planes().get(plane));
        }
        return facts;
    }

    void encode(BodyWriter writer) {
        writer.text(tandemVersion)
                .text(model.architecture())
                .text(model.sizes())
                .text(model.fingerprint())
                .text(model.numbers().dtype())
                .text(model.numbers().quantization())
                .integer(model.maxModelLength())
                .integer(layout.dpSize())
                .flag(layout.hasExpertParallel())
                .flag(layout.isBalancedByHead())
                .integer(layout.tpSize())
                .integer(kv.blockSize())
                .list(kv.planes(), kv.planes().size(), BodyWriter::text);
        Members.writePlacement(writer, placement);
    }

    static JoinTerms decode(BodyReader reader) throws FrameException {
        String version = text(reader, "Tandem version");
        var model = new ModelTerms(
                text(reader, "model architecture"),
                text(reader, "model sizes"),
                text(reader, "model fingerprint"),
                new ModelTerms.Numbers(text(reader, "dtype"), text(reader, "quantization")),
                reader.integer("max model length", 1, Integer.MAX_VALUE));
        var layout = new ParallelLayout(
                reader.integer("data parallel size", 1, ParallelLayout.MAX_SIZE),
                reader.flag("expert parallel"),
                reader.flag("load balancing"),
                reader.integer("tensor parallel size", 1, ParallelLayout.MAX_SIZE));
        int blockSize = reader.integer("KV block size", 1, Integer.MAX_VALUE);
        List<String> planes = reader.list("KV planes", KvTerms.MAX_PLANES, each -> text(each, "KV plane"));
        return new JoinTerms(version, model, layout, new KvTerms(blockSize, planes), Members.readPlacement(reader));
    }

    private static String text(BodyReader reader, String field) throws FrameException {
        return reader.text(field, MAX_TEXT_BYTES);
    }
}
