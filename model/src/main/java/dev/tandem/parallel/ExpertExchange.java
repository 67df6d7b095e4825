package dev.tandem.parallel;

/**
 * Brings rows to the ranks that own their experts and the results back. Asynchronous to everything else: a rank that is idle, or waits
 * for others, still serves foreign rows, and nobody runs in lockstep. Results are the same bits wherever an expert is computed.
 */
public interface ExpertExchange {
    /**
     * Fills the results of all rows. Called by a rank worker in the middle of a layer; returns when they are here.
     *
     * @throws RuntimeException when they cannot be had within the exchange's deadline; then the step fails
     */
    void exchange(ExpertRows rows);
}
