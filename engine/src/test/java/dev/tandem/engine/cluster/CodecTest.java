package dev.tandem.engine.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.EngineStatus.Blocks;
import dev.tandem.engine.EngineStatus.Load;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Logprob;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import dev.tandem.engine.request.SamplingOptions.Stop;
import dev.tandem.engine.request.SamplingOptions.TokenLogprobs;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.HandoffUsage;
import dev.tandem.engine.request.TokenEvent.Times;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenEvent.Usage;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.Wire;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** What is encoded comes out again, field by field, for values drawn at random and for the ends of their ranges. */
class CodecTest {
    private static final int ROUNDS = 300;

    @Test
    void shouldShowNoControlCharacterOfWhatWasFound() {
        assertThat(new FrameException("field", "a word", "a\n\u001b[2Jb\u009b2Jc"))
                .hasMessageContaining("a??[2Jb?2Jc");
    }

    @Test
    void shouldCarryEveryFieldOfARequest() throws Exception {
        for (int seed = 0; seed < ROUNDS; seed++) {
            Request request = request(new SplittableRandom(seed));
            byte[] body = new BodyWriter()
                    .with(writer -> RequestCodec.write(writer, request, Wire.CLUSTER.version()))
                    .toBytes();
            Request read = BodyReader.read(ByteBuffer.wrap(body), RequestCodec::read);
            assertThat(read.id()).isEqualTo(request.id());
            assertThat(read.promptTokenIds()).isEqualTo(request.promptTokenIds());
            assertThat(read.sampling()).isEqualTo(request.sampling());
            assertThat(read.handoff()).isEqualTo(request.handoff());
            assertThat(read.deadline()).isEqualTo(request.deadline());
        }
    }

    @Test
    void shouldCarryADeadlineLongerThanCanBeCounted() throws Exception {
        var request = new Request(
                "r",
                new int[] {1},
                SamplingOptions.greedy(1),
                new HandoffRole.None(),
                Duration.ofSeconds(Long.MAX_VALUE));
        byte[] body = new BodyWriter()
                .with(writer -> RequestCodec.write(writer, request, Wire.CLUSTER.version()))
                .toBytes();
        assertThat(BodyReader.read(ByteBuffer.wrap(body), RequestCodec::read).deadline())
                .isEqualTo(Duration.ofNanos(Long.MAX_VALUE));
    }

    @Test
    void shouldCarryEveryFieldOfAToken() throws Exception {
        for (int seed = 0; seed < ROUNDS; seed++) {
            var random = new SplittableRandom(seed);
            var token = new Token(random.nextInt(1 << 30), maybe(random, logprobs(random)));
            byte[] body = EventCodec.encode(seed, token);
            assertThat(read(body, seed, EventCodec::readToken)).isEqualTo(token);
        }
    }

    @Test
    void shouldCarryEveryFieldOfAnEnd() throws Exception {
        for (int seed = 0; seed < ROUNDS; seed++) {
            var random = new SplittableRandom(seed);
            var finished = new Finished(
                    FinishReason.values()[random.nextInt(FinishReason.values().length)],
                    random.nextBoolean() ? OptionalInt.of(random.nextInt()) : OptionalInt.empty(),
                    new Usage(
                            count(random),
                            count(random),
                            count(random),
                            new HandoffUsage(
                                    count(random),
                                    random.nextLong(Long.MAX_VALUE),
                                    random.nextLong(Long.MAX_VALUE),
                                    maybe(random, text(random))),
                            new Times(random.nextLong(), random.nextLong(), random.nextLong())),
                    maybe(random, ticket(random)));
            assertThat(read(EventCodec.encode(seed, finished), seed, EventCodec::readFinished))
                    .isEqualTo(finished);
        }
    }

    @Test
    void shouldCarryKindAndMessageOfAFailure() throws Exception {
        for (EngineException.Kind kind : EngineException.Kind.values()) {
            byte[] body = EventCodec.encode(7, new Failed(new EngineException(kind, "because of " + kind)));
            EngineException read = read(body, 7, EventCodec::readFailed).cause();
            assertThat(read.kind()).isEqualTo(kind);
            assertThat(read).hasMessage("because of " + kind);
        }
        byte[] body =
                EventCodec.encode(7, new Failed(new EngineException(EngineException.Kind.INTERNAL, "x".repeat(9000))));
        assertThat(read(body, 7, EventCodec::readFailed).cause().getMessage()).hasSize(4096);
    }

    @Test
    void shouldCarryEveryFieldOfAState() throws Exception {
        for (int seed = 0; seed < ROUNDS; seed++) {
            var random = new SplittableRandom(seed);
            var counters = new EnumMap<EngineCounter, Long>(EngineCounter.class);
            for (EngineCounter counter : EngineCounter.values()) {
                counters.put(counter, random.nextLong());
            }
            var status = new EngineStatus(
                    maybe(random, text(random)),
                    new Load(count(random), count(random), count(random), count(random)),
                    new Blocks(count(random), count(random), count(random), count(random)),
                    counters);
            byte[] body = StatusCodec.encode(seed, status);
            int rank = seed;
            assertThat(BodyReader.<EngineStatus>read(ByteBuffer.wrap(body), reader -> {
                        assertThat(StatusCodec.readRank(reader)).isEqualTo(rank);
                        return StatusCodec.read(reader);
                    }))
                    .isEqualTo(status);
        }
    }

    @Test
    void shouldCarryTermsRefusalsAndMembers() throws Exception {
        JoinTerms terms = ClusterFixture.terms(1, 4);
        var hello = new Hello(2, new byte[] {1, 2}, new byte[] {3}, terms);
        Hello read = Hello.decode(ByteBuffer.wrap(hello.encode()));
        assertThat(read.terms()).isEqualTo(terms);
        assertThat(read.nonce()).isEqualTo(hello.nonce());
        assertThat(read.proof()).isEqualTo(hello.proof());
        var refusal = new Refusal("dtype", "a", "b", true);
        assertThat(Refusal.decode(ByteBuffer.wrap(refusal.encode()))).isEqualTo(refusal);
        var members = new Members(List.of(
                new MemberPlacement(new Shard(3, 4), "h", 0), new MemberPlacement(new Shard(0, 3), "g", 65_535)));
        assertThat(Members.decode(ByteBuffer.wrap(members.encode()))).isEqualTo(members);
    }

    @Test
    void shouldRefuseMembersThatOverlap() {
        byte[] body = new BodyWriter()
                .list(
                        List.of(
                                new MemberPlacement(new Shard(0, 2), "a", 1),
                                new MemberPlacement(new Shard(1, 3), "b", 1)),
                        2,
                        Members::writePlacement)
                .toBytes();
        assertThatThrownBy(() -> Members.decode(ByteBuffer.wrap(body)))
                .isInstanceOf(FrameException.class)
                .hasMessageContaining("overlap");
    }

    @Test
    void shouldRefuseDamagedBodiesWithoutAnyOtherFailure() {
        var random = new SplittableRandom(1);
        byte[] good = new BodyWriter()
                .with(writer -> RequestCodec.write(writer, request(new SplittableRandom(3)), Wire.CLUSTER.version()))
                .toBytes();
        int refused = 0;
        for (int round = 0; round < 5000; round++) {
            byte[] bad = random.nextInt(3) == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
            for (int flips = random.nextInt(1, 4); flips > 0 && bad.length > 0; flips--) {
                bad[random.nextInt(bad.length)] = (byte) random.nextInt();
            }
            try {
                BodyReader.read(ByteBuffer.wrap(bad), RequestCodec::read);
            } catch (FrameException expected) {
                assertThat(expected).hasMessageNotContaining("null");
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(1000);
    }

    @Test
    void shouldNameTheFieldThatIsOutOfItsLimits() {
        byte[] body = new BodyWriter().text("x".repeat(5000)).toBytes();
        assertThatThrownBy(() -> BodyReader.read(ByteBuffer.wrap(body), RequestCodec::read))
                .hasMessage("request id bytes is 5000, but must be 0 to 4096");
        byte[] extra = new BodyWriter().integer(1).integer(2).toBytes();
        assertThatThrownBy(
                        () -> BodyReader.<Integer>read(ByteBuffer.wrap(extra), reader -> reader.integer("port", 0, 9)))
                .hasMessage("end is before further bytes, but must be behind the last field");
        byte[] kind = new BodyWriter().text("MAYBE").toBytes();
        assertThatThrownBy(() -> BodyReader.<FinishReason>read(
                        ByteBuffer.wrap(kind), reader -> reader.constant("finish reason", FinishReason.class)))
                .hasMessage("finish reason is MAYBE, but must be one of [STOP, LENGTH, ABORT]");
    }

    @Test
    void shouldRefuseValuesThatAreTooDeepOrNoJson() {
        Object deep = "end";
        for (int i = 0; i < 40; i++) {
            deep = List.of(deep);
        }
        byte[] body = new BodyWriter().plain(deep).toBytes();
        assertThatThrownBy(() ->
                        BodyReader.read(ByteBuffer.wrap(body), reader -> Optional.ofNullable(reader.plain("key"))))
                .hasMessage("key is deeper, but must be at most 32 levels deep");
        assertThatThrownBy(() -> new BodyWriter().plain(new int[0])).hasMessageContaining("is not a JSON value");
    }

    private static <T> T read(byte[] body, long stream, BodyReader.Part<T> part) throws FrameException {
        return BodyReader.read(ByteBuffer.wrap(body), reader -> {
            assertThat(EventCodec.readStream(reader)).isEqualTo(stream);
            return part.from(reader);
        });
    }

    private static Request request(SplittableRandom random) {
        return new Request(
                text(random),
                random.ints(random.nextInt(3000)).toArray(),
                sampling(random),
                role(random),
                Duration.ofNanos(random.nextLong(Long.MAX_VALUE)));
    }

    private static SamplingOptions sampling(SplittableRandom random) {
        var bias = new HashMap<Integer, Float>();
        var stops = new HashSet<Integer>();
        for (int i = random.nextInt(4); i > 0; i--) {
            bias.put(random.nextInt(), number(random));
            stops.add(random.nextInt());
        }
        return new SamplingOptions(
                random.nextInt(),
                random.nextInt(),
                new Filters(number(random), number(random), random.nextInt(), number(random)),
                new Penalties(number(random), number(random), number(random)),
                bias,
                random.nextBoolean() ? OptionalLong.of(random.nextLong()) : OptionalLong.empty(),
                new Stop(stops, random.nextBoolean()),
                random.nextBoolean() ? OptionalInt.of(random.nextInt()) : OptionalInt.empty());
    }

    private static HandoffRole role(SplittableRandom random) {
        return switch (random.nextInt(5)) {
            case 0 -> new HandoffRole.None();
            case 1 -> new HandoffRole.Lend();
            case 2 -> new HandoffRole.Push(ticket(random));
            case 3 -> new HandoffRole.Receive(text(random));
            default -> new HandoffRole.Fetch(ticket(random));
        };
    }

    private static HandoffTicket ticket(SplittableRandom random) {
        var further = new LinkedHashMap<String, Object>();
        further.put("absent", null);
        further.put("yes", random.nextBoolean());
        further.put("port", random.nextInt());
        further.put("address", Long.MAX_VALUE - random.nextInt(1000));
        further.put("huge", BigInteger.ONE.shiftLeft(64 + random.nextInt(100)).negate());
        further.put("ratio", random.nextDouble());
        further.put("name", text(random));
        var nested = new LinkedHashMap<String, Object>();
        nested.put("list", new ArrayList<>(Arrays.asList(1, null, "x", List.of(), Map.of())));
        further.put("nested", nested);
        return new HandoffTicket(
                text(random),
                text(random),
                random.nextInt(65_536),
                random.ints(random.nextInt(100)).asLongStream().toArray(),
                random.nextInt(),
                further);
    }

    private static TokenLogprobs logprobs(SplittableRandom random) {
        var top = new ArrayList<Logprob>();
        for (int i = random.nextInt(4); i > 0; i--) {
            top.add(new Logprob(count(random), number(random), count(random)));
        }
        return new TokenLogprobs(new Logprob(count(random), number(random), count(random)), top);
    }

    private static int count(SplittableRandom random) {
        return random.nextInt(Integer.MAX_VALUE);
    }

    /** Any bits, among them infinities and numbers that are none. */
    private static float number(SplittableRandom random) {
        return random.nextInt(8) == 0 ? Float.NaN : Float.intBitsToFloat(random.nextInt() & 0xFF7FFFFF);
    }

    private static String text(SplittableRandom random) {
        var text = new StringBuilder("t");
        for (int i = random.nextInt(20); i > 0; i--) {
            text.appendCodePoint(random.nextBoolean() ? random.nextInt(32, 127) : random.nextInt(0x10000, 0x10FFFF));
        }
        return text.toString();
    }

    private static <T> Optional<T> maybe(SplittableRandom random, T value) {
        return random.nextBoolean() ? Optional.of(value) : Optional.empty();
    }
}
