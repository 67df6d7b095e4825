/**
 * Chooses tokens from logits, in the order and with the formulas of vLLM V1, and says when a sequence ends. Entry: {@link
 * dev.tandem.engine.sample.Sampler}. Belongs to the engine loop; scratch memory is taken once and used again.
 */
package dev.tandem.engine.sample;
