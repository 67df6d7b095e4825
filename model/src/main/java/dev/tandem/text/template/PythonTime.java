package dev.tandem.text.template;

import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.util.Locale;

/** Python's {@code datetime.strftime} in the C locale, for {@code strftime_now}. */
final class PythonTime {
    private PythonTime() {}

    static String format(String pattern, LocalDateTime now) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < pattern.length(); i++) {
            char character = pattern.charAt(i);
            if (character != '%') {
                text.append(character);
                continue;
            }
            boolean isUnpadded = i + 1 < pattern.length() && pattern.charAt(i + 1) == '-';
            i += isUnpadded ? 2 : 1;
            if (i >= pattern.length()) {
                throw new TemplateException("strftime_now's format ends in an open directive");
            }
            String field = field(pattern.charAt(i), now);
            text.append(isUnpadded ? withoutZeros(field) : field);
        }
        return text.toString();
    }

    private static String withoutZeros(String field) {
        String trimmed = field.replaceFirst("^[0 ]+", "");
        return trimmed.isEmpty() ? "0" : trimmed;
    }

    private static String field(char directive, LocalDateTime now) {
        return switch (directive) {
            case 'Y' -> digits(4, now.getYear());
            case 'y' -> digits(2, now.getYear() % 100);
            case 'm' -> digits(2, now.getMonthValue());
            case 'd' -> digits(2, now.getDayOfMonth());
            case 'e' -> String.format("%2d", now.getDayOfMonth());
            case 'H' -> digits(2, now.getHour());
            case 'I' -> digits(2, now.get(ChronoField.CLOCK_HOUR_OF_AMPM));
            case 'M' -> digits(2, now.getMinute());
            case 'S' -> digits(2, now.getSecond());
            case 'f' -> digits(6, now.getNano() / 1000);
            case 'j' -> digits(3, now.getDayOfYear());
            case 'p' -> now.getHour() < 12 ? "AM" : "PM";
            case 'b', 'h' ->
                now.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH).substring(0, 3);
            case 'B' -> now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'a' -> now.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'A' -> now.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'u' -> digits(1, now.getDayOfWeek().getValue());
            case 'w' -> digits(1, now.getDayOfWeek().getValue() % 7);
            case 'F' -> format("%Y-%m-%d", now);
            case 'T', 'X' -> format("%H:%M:%S", now);
            case 'R' -> format("%H:%M", now);
            case 'D', 'x' -> format("%m/%d/%y", now);
            case 'c' -> format("%a %b %e %H:%M:%S %Y", now);
            case 'Z', 'z' -> "";
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            default -> throw new TemplateException("strftime_now does not know the directive %" + directive);
        };
    }

    private static String digits(int width, int value) {
        return String.format("%0" + width + "d", value);
    }
}
