package dev.tandem.text;

import dev.tandem.text.PatternNode.Branch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Neighbouring branches of published split patterns that read ahead in vain but together take what they have read: where the first ones
 * fail, a later one takes the whole run, so a search reads each run a few times only, whatever stands before them in the pattern.
 * Compared by their text. Sources: the tokenizer.json files of GPT-2, Llama 3, Qwen2 and Qwen3, DeepSeek-V3, Llama 4, gpt-oss and Kimi,
 * and OpenAI's cl100k and o200k patterns in tiktoken.
 */
final class KnownParts {
    private static final List<List<String>> PARTS = parts();

    private KnownParts() {}

    /** [branch] whether it belongs to a known part */
    static boolean[] find(List<Branch> branches) {
        boolean[] isKnown = new boolean[branches.size()];
        for (List<String> part : PARTS) {
            for (int from = 0; from + part.size() <= isKnown.length; from++) {
                if (stands(part, branches, from)) {
                    Arrays.fill(isKnown, from, from + part.size(), true);
                }
            }
        }
        return isKnown;
    }

    private static boolean stands(List<String> part, List<Branch> branches, int from) {
        for (int i = 0; i < part.size(); i++) {
            if (!branches.get(from + i).text().equals(part.get(i))) {
                return false;
            }
        }
        return true;
    }

    private static List<List<String>> parts() {
        List<List<String>> parts = new ArrayList<>(List.of(
                List.of("\\s+(?!\\S)", "\\s+"),
                List.of("\\s*[\\r\\n]+", "\\s+(?!\\S)", "\\s+"),
                List.of("\\s*[\\r\\n]", "\\s+(?!\\S)", "\\s+"),
                List.of("\\s++$", "\\s*[\\r\\n]", "\\s+(?!\\S)", "\\s")));
        for (String but : List.of("", "&&[^\\p{Han}]")) {
            String upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}" + but + "]";
            String lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}" + but + "]";
            for (String ending : List.of("", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")) {
                String before = "[^\\r\\n\\p{L}\\p{N}]?";
                parts.add(List.of(
                        before + upper + "*" + lower + "+" + ending, before + upper + "+" + lower + "*" + ending));
            }
        }
        return List.copyOf(parts);
    }
}
