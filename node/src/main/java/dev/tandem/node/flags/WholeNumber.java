package dev.tandem.node.flags;

import java.math.BigDecimal;
import java.util.Optional;

/** Whole numbers as vLLM's flags write them: {@code 4096}, {@code 32k} (32,000), {@code 32K} (32,768), {@code 1.5G}; also {@code 64MiB}. */
public final class WholeNumber {
    private static final String DECIMAL = "kmgt";
    private static final String BINARY = "KMGT";

    private WholeNumber() {}

    public static Optional<Long> parse(String text) {
        String digits = text.strip().replace("_", "");
        if (digits.endsWith("iB")) {
            digits = digits.substring(0, digits.length() - 2);
        }
        if (digits.isEmpty()) {
            return Optional.empty();
        }
        char last = digits.charAt(digits.length() - 1);
        long factor = 1;
        if (DECIMAL.indexOf(last) >= 0) {
            factor = (long) Math.pow(1000, DECIMAL.indexOf(last) + 1.0);
        } else if (BINARY.indexOf(last) >= 0) {
            factor = 1L << (10 * (BINARY.indexOf(last) + 1));
        }
        try {
            var number = new BigDecimal(factor == 1 ? digits : digits.substring(0, digits.length() - 1));
            return Optional.of(number.multiply(BigDecimal.valueOf(factor)).longValueExact());
        } catch (NumberFormatException e) {
            return Optional.empty();
        } catch (ArithmeticException e) {
            return Optional.empty();
        }
    }
}
