/** Chooses tokens from logits. */
package dev.tandem.engine.sample;
