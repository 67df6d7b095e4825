package dev.tandem.gateway.protocol;

import dev.tandem.api.client.ReplyHead;
import dev.tandem.gateway.fleet.FleetNode;

/** Who has called a prefill node and hears of the outcome, on its event loop. */
interface PrefillCaller {
    /**
     * How a call failed.
     *
     * @param cause for the log
     * @param kind what P may have done before
     */
    record Failure(String cause, Kind kind) {
        /** What P may have done before it failed. */
        enum Kind {
            /** P was never reached. */
            UNREACHED,
            /** P is overloaded and has not begun. */
            REFUSED,
            /** P has answered with an error of its own. */
            ERROR,
            /** P has not answered to the end. */
            BROKEN
        }
    }

    /** P has computed the prompt. */
    void answered(FleetNode node, byte[] body, double seconds);

    /** P has refused for a reason that lies in the request. */
    void refused(ReplyHead head, byte[] body);

    /** P has given no usable answer. */
    void failed(FleetNode node, Failure failure);

    /** Whether a further prefill node may be asked. */
    boolean canAskAnother();
}
