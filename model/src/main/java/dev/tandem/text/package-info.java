/**
 * Text to token ids and back. The package imports nothing of its neighbours; chat templates stand below it in {@code template}. Entry:
 * {@link dev.tandem.text.Tokenizer}. What the native library is given is bounded beforehand, because its faults end the process. All types but {@link dev.tandem.text.Detokenizer} may be used from any thread.
 */
package dev.tandem.text;
