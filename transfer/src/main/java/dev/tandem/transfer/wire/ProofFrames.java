package dev.tandem.transfer.wire;

import dev.tandem.trust.MutualProof;
import java.nio.ByteBuffer;

/**
 * How a data connection begins where the server wants a proof of the cluster's secret: the frames of {@link MutualProof} in the form of
 * requests. Requests follow when the server's proof has come. A server that does not believe the client answers with a refusal and closes.
 *
 * <pre>
 *   client   HELLO   header: size 32, addr version, op 0xA0 | nonce (32 bytes)
 *   server           status frame OK                        | nonce (32 bytes)            or a status frame REJECTED
 *   client   PROVE   header: size 32, addr 0, op 0xA1       | proof (32 bytes)
 *   server           status frame OK                        | proof (32 bytes)            or a status frame REJECTED
 * </pre>
 */
public final class ProofFrames {
    /** Bytes of HELLO and of PROVE. */
    public static final int REQUEST_BYTES = RequestHeader.BYTES + MutualProof.NONCE_BYTES;

    /** Bytes of the server's answers. */
    public static final int ANSWER_BYTES = StatusFrame.BYTES + MutualProof.NONCE_BYTES;

    private ProofFrames() {}

    public static ByteBuffer hello(int version, byte[] nonce) {
        return request(Opcode.HELLO, version, nonce);
    }

    public static ByteBuffer prove(byte[] proof) {
        return request(Opcode.PROVE, 0, proof);
    }

    /** @param body nonce or proof */
    public static ByteBuffer answer(byte[] body) {
        ByteBuffer frame = ByteBuffer.allocate(ANSWER_BYTES);
        StatusFrame.encode(frame, 0, StatusFrame.OK);
        frame.position(StatusFrame.BYTES).put(body);
        return frame.flip();
    }

    /** Whether what stands at {@code offset}, {@link #REQUEST_BYTES} long, is this request. */
    public static boolean isRequest(ByteBuffer buffer, int offset, Opcode opcode) {
        return RequestHeader.opcode(buffer, offset) == opcode
                && RequestHeader.size(buffer, offset) == MutualProof.NONCE_BYTES;
    }

    /** Nonce or proof of a request at {@code offset}. */
    public static byte[] body(ByteBuffer buffer, int offset) {
        return bytes(buffer, offset + RequestHeader.BYTES, MutualProof.NONCE_BYTES);
    }

    /** Nonce or proof in an answer that fills a buffer. */
    public static byte[] answerBody(ByteBuffer answer) {
        return bytes(answer, StatusFrame.BYTES, MutualProof.NONCE_BYTES);
    }

    private static byte[] bytes(ByteBuffer buffer, int offset, int count) {
        var bytes = new byte[count];
        buffer.get(offset, bytes);
        return bytes;
    }

    private static ByteBuffer request(Opcode opcode, long address, byte[] body) {
        ByteBuffer frame = ByteBuffer.allocate(REQUEST_BYTES);
        RequestHeader.encode(frame, 0, body.length, address, opcode);
        frame.position(RequestHeader.BYTES).put(body);
        return frame.flip();
    }
}
