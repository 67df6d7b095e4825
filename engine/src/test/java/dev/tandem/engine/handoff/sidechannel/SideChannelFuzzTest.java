package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.corpus.Corpus;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.transfer.TransferException;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * Payloads of both dialects of the side channel, requests and answers: byte 0 chooses. Read and written back as the same, or refused as
 * CORRUPT.
 */
class SideChannelFuzzTest {
    @Test
    void shouldReadOrRefuseEveryMessage() {
        Corpus.replay("sidechannel", SideChannelFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        byte[] payload = Arrays.copyOfRange(input, 1, input.length);
        switch (input[0] & 3) {
            case 0 -> read(payload, SideChannelFuzzTest::request);
            case 1 -> read(payload, SideChannelFuzzTest::metadata);
            case 2 -> read(payload, SideChannelFuzzTest::dataDistRequest);
            default -> read(payload, SideChannelFuzzTest::dataDistAnswer);
        }
    }

    private static void read(byte[] payload, Consumer<byte[]> reader) {
        try {
            reader.accept(payload);
        } catch (TransferException refusal) {
            Corpus.require(refusal.kind() == TransferException.Kind.CORRUPT, "refused as " + refusal.kind());
        }
    }

    private static void request(byte[] payload) {
        SideChannelMessage message = SideChannelCodec.decodeRequest(payload);
        switch (message) {
            case SideChannelMessage.GetMetadata get -> {}
            case SideChannelMessage.DoneReceiving done -> {
                requireShort(done.requestId());
                Corpus.require(done.sendsByPort().size() <= 4096, "many ports");
            }
            case SideChannelMessage.DoneSending done
            when done.lease().isPresent() ->
                requireSame(
                        done,
                        SideChannelCodec.encodeDoneSending(
                                done.requestId(), done.lease().getAsLong(), done.sums()));
            case SideChannelMessage.FailedSending failed
            when failed.lease().isPresent() && failed.reason().length() <= 1024 ->
                requireSame(
                        failed,
                        SideChannelCodec.encodeFailedSending(
                                failed.requestId(), failed.lease().getAsLong(), failed.reason()));
            case SideChannelMessage.Report report -> requireShort(report.requestId());
        }
    }

    private static void requireSame(SideChannelMessage.Report message, byte[] written) {
        requireShort(message.requestId());
        if (!message.requestId().contains("\uFFFD")) { // longer as UTF-8 than the bytes that it stands for
            Corpus.require(SideChannelCodec.decodeRequest(written).equals(message), "another message when read again");
        }
    }

    private static void metadata(byte[] payload) {
        PeerMetadata metadata = SideChannelCodec.decodeMetadata(payload);
        requireShort(metadata.engineId());
        metadata.details().ifPresent(details -> {
            Corpus.require(
                    details.layout().planes().size()
                            == metadata.planeAddresses().size(),
                    "planes");
            for (int plane = 0; plane < metadata.planeAddresses().size(); plane++) {
                Corpus.require(details.layout().blockBytes(plane) > 0, "blocks without bytes");
            }
        });
        if (!metadata.engineId().contains("\uFFFD")) {
            byte[] written = SideChannelCodec.encodeMetadata(metadata, "127.0.0.1", 1);
            Corpus.require(SideChannelCodec.decodeMetadata(written).equals(metadata), "other metadata when read again");
        }
    }

    private static void dataDistRequest(byte[] payload) {
        switch (LlmDataDistCodec.decodeRequest(payload)) {
            case LlmDataDistCodec.Request.Introduction introduction -> {
                byte[] written = LlmDataDistCodec.encodeQuestion(introduction.device());
                Corpus.require(
                        LlmDataDistCodec.decodeRequest(written).equals(introduction),
                        "another question when read again");
            }
            case LlmDataDistCodec.Request.Finished finished ->
                requireShort(finished.message().requestId());
        }
    }

    private static void dataDistAnswer(byte[] payload) {
        LlmDataDistCodec.Answer answer = LlmDataDistCodec.decodeAnswer(payload);
        if (answer.metadata().isPresent() && !answer.metadata().get().engineId().contains("\uFFFD")) {
            byte[] written = LlmDataDistCodec.encodeAnswer(
                    answer.device(), answer.metadata().get(), new RankEndpoint("127.0.0.1", 1, 0, 1));
            Corpus.require(LlmDataDistCodec.decodeAnswer(written).equals(answer), "another answer when read again");
        }
    }

    private static void requireShort(String id) {
        Corpus.require(id.length() <= SideChannelCodec.MAX_ID_BYTES, "a long id");
    }
}
