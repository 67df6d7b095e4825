package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.parallel.Shard;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The processes that are there now, by ascending rank; their ranks do not overlap.
 *
 * @param placements of all, the head's among them
 */
public record Members(List<MemberPlacement> placements) {
    public Members {
        placements = placements.stream()
                .sorted(Comparator.comparingInt(placement -> placement.ranks().from()))
                .toList();
        for (int i = 1; i < placements.size(); i++) {
            if (placements.get(i - 1).overlaps(placements.get(i))) {
                throw new IllegalArgumentException(placements.get(i - 1) + " and " + placements.get(i) + " overlap");
            }
        }
    }

    /** Ranks of a deployment that are not there, in consecutive ranges. */
    public List<Shard> missing(int dpSize) {
        var missing = new ArrayList<Shard>();
        int next = 0;
        for (MemberPlacement placement : placements) {
            if (placement.ranks().from() > next) {
                missing.add(new Shard(next, placement.ranks().from()));
            }
            next = placement.ranks().to();
        }
        if (next < dpSize) {
            missing.add(new Shard(next, dpSize));
        }
        return missing;
    }

    /** Body of {@link dev.tandem.engine.cluster.channel.FrameKind#MEMBERS}: a list of placements. */
    byte[] encode() {
        return new BodyWriter()
                .list(placements, placements.size(), Members::writePlacement)
                .toBytes();
    }

    static Members decode(ByteBuffer body) throws FrameException {
        List<MemberPlacement> placements = BodyReader.read(
                body, reader -> reader.list("placements", ParallelLayout.MAX_SIZE, Members::readPlacement));
        try {
            return new Members(placements);
        } catch (IllegalArgumentException overlap) {
            throw new FrameException("placements: " + overlap.getMessage(), overlap);
        }
    }

    /** A placement is its first rank, the number of its ranks, host and port for expert rows. */
    static void writePlacement(BodyWriter writer, MemberPlacement placement) {
        writer.integer(placement.ranks().from())
                .integer(placement.ranks().size())
                .text(placement.host())
                .integer(placement.expertPort());
    }

    static MemberPlacement readPlacement(BodyReader reader) throws FrameException {
        int from = reader.integer("start rank", 0, ParallelLayout.MAX_SIZE);
        int size = reader.integer("local ranks", 1, ParallelLayout.MAX_SIZE);
        return new MemberPlacement(
                new Shard(from, from + size),
                reader.text("host", MemberPlacement.MAX_HOST_BYTES),
                reader.integer("expert port", 0, 65_535));
    }
}
