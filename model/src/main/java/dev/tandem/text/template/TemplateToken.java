package dev.tandem.text.template;

/**
 * One lexical unit of a template.
 *
 * @param text the source, or the value of a string literal
 * @param line counted from 1
 */
record TemplateToken(Kind kind, String text, int line) {
    enum Kind {
        /** Text outside tags. */
        DATA,
        PRINT_BEGIN,
        PRINT_END,
        TAG_BEGIN,
        TAG_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    /** For messages. */
    String description() {
        return switch (kind) {
            case END -> "the end of the template";
            case PRINT_END -> "'}}'";
            case TAG_END -> "'%}'";
            case DATA, PRINT_BEGIN, TAG_BEGIN -> "text";
            default -> "'" + text + "'";
        };
    }
}
