/**
 * Text to token ids and back, and chat templates. Imports nothing of its neighbours. Entry: {@link dev.tandem.text.Tokenizer}. All types
 * but {@link dev.tandem.text.Detokenizer} may be used from any thread.
 */
package dev.tandem.text;
