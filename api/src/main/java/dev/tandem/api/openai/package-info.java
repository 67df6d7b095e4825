/**
 * OpenAI's request and reply JSON as vLLM speaks it: typed views over the parsed tree, validated field by field, and the builders of
 * replies and stream chunks. Entry: {@link dev.tandem.api.openai.CompletionRequest}, {@link dev.tandem.api.openai.ChatRequest}. Pure;
 * any thread.
 */
package dev.tandem.api.openai;
