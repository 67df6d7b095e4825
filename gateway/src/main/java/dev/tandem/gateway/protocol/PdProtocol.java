package dev.tandem.gateway.protocol;

import dev.tandem.gateway.relay.Answer;

/** The order in which a prefill and a decode node are called, and who carries what one must know of the other. Any thread may hold it. */
public interface PdProtocol {
    /**
     * Serves one request for one sequence, on the event loop that owns the answer. Whatever happens, the answer is ended, or nobody wants
     * it any more; then everything that the exchange holds on nodes has been given back.
     */
    void serve(ClientRequest request, Answer answer);
}
