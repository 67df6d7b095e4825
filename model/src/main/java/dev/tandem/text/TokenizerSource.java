package dev.tandem.text;

import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * What a tokenizer is made of.
 *
 * @param name where it came from, for messages
 * @param description the tree of a {@code tokenizer.json}
 * @param specialTokens {@code bos_token}, {@code eos_token}, … by name
 * @param template source of the chat template
 */
record TokenizerSource(
        String name, JsonNode description, Map<String, String> specialTokens, Optional<String> template) {}
