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
 * @param seats of all, the head's among them
 */
public record Members(List<Seat> seats) {
    public Members {
        seats = seats.stream()
                .sorted(Comparator.comparingInt(seat -> seat.ranks().from()))
                .toList();
        for (int i = 1; i < seats.size(); i++) {
            if (seats.get(i - 1).overlaps(seats.get(i))) {
                throw new IllegalArgumentException(seats.get(i - 1) + " and " + seats.get(i) + " overlap");
            }
        }
    }

    /** Ranks of a deployment that are not there, in consecutive ranges. */
    public List<Shard> missing(int dpSize) {
        var missing = new ArrayList<Shard>();
        int next = 0;
        for (Seat seat : seats) {
            if (seat.ranks().from() > next) {
                missing.add(new Shard(next, seat.ranks().from()));
            }
            next = seat.ranks().to();
        }
        if (next < dpSize) {
            missing.add(new Shard(next, dpSize));
        }
        return missing;
    }

    /** Body of {@link dev.tandem.engine.cluster.channel.FrameKind#MEMBERS}: a list of seats. */
    byte[] encode() {
        return new BodyWriter().list(seats, seats.size(), Members::writeSeat).toBytes();
    }

    static Members decode(ByteBuffer body) throws FrameException {
        List<Seat> seats = BodyReader.read(body, reader -> reader.list("seats", Spread.MAX_SIZE, Members::readSeat));
        try {
            return new Members(seats);
        } catch (IllegalArgumentException overlap) {
            throw new FrameException("seats: " + overlap.getMessage(), overlap);
        }
    }

    /** A seat is its first rank, the number of its ranks, host and port for expert rows. */
    static void writeSeat(BodyWriter writer, Seat seat) {
        writer.integer(seat.ranks().from())
                .integer(seat.ranks().size())
                .text(seat.host())
                .integer(seat.expertPort());
    }

    static Seat readSeat(BodyReader reader) throws FrameException {
        int from = reader.integer("start rank", 0, Spread.MAX_SIZE);
        int size = reader.integer("local ranks", 1, Spread.MAX_SIZE);
        return new Seat(
                new Shard(from, from + size),
                reader.text("host", Seat.MAX_HOST_BYTES),
                reader.integer("expert port", 0, 65_535));
    }
}
