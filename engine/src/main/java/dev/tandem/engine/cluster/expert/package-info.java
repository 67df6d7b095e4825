/**
 * Rows of tokens on their way to the experts that they chose, over all ranks of a deployment. Entry: {@link
 * dev.tandem.engine.cluster.expert.ExpertRuntime}, one per process; each rank worker has an {@link
 * dev.tandem.engine.cluster.expert.ExpertRouter}. Expert workers compute and never wait for another rank; rank workers wait for results
 * under a deadline and compute themselves what does not come.
 */
package dev.tandem.engine.cluster.expert;
