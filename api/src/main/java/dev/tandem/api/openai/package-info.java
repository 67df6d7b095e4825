/** OpenAI request and response JSON. */
package dev.tandem.api.openai;
