package dev.tandem.parallel;

/**
 * Brings rows to the ranks that own their experts and the results back. The exchange is asynchronous to everything else: a rank that
 * is idle, or waits for others, still serves the rows of other ranks, and no rank runs in lockstep with another. Results are the same bits
 * wherever an expert is computed.
 */
public interface ExpertExchange {
    /**
     * Fills the results of all rows. A rank worker calls it in the middle of a layer; it returns when all results have arrived.
     *
     * @throws RuntimeException when they do not come within the exchange's deadline; then the step fails
     */
    void exchange(ExpertRows rows);
}
