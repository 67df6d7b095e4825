package dev.tandem.text.template;

import dev.tandem.text.template.TemplateToken.Kind;
import java.util.List;

/** Tokens with a position, shared by the two halves of the parser, which also count here how deeply they are nested. */
final class TemplateTokens {
    /** Parsing an expression takes about ten frames per level; the smallest usual stack holds ten times this. */
    private static final int MAX_NESTING = 100;

    private final List<TemplateToken> tokens;
    private int at;
    private int nesting;

    TemplateTokens(List<TemplateToken> tokens) {
        this.tokens = tokens;
    }

    TemplateToken current() {
        return tokens.get(at);
    }

    TemplateToken ahead() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    TemplateToken next() {
        TemplateToken token = tokens.get(at);
        at = Math.min(at + 1, tokens.size() - 1);
        return token;
    }

    int line() {
        return current().line();
    }

    boolean skipOperator(String operator) {
        boolean isIt = current().isOperator(operator);
        if (isIt) {
            next();
        }
        return isIt;
    }

    boolean skipName(String name) {
        boolean isIt = current().isName(name);
        if (isIt) {
            next();
        }
        return isIt;
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    void expectName(String name) {
        if (!skipName(name)) {
            throw unexpected("'" + name + "'");
        }
    }

    String expect(Kind kind, String what) {
        if (current().kind() != kind) {
            throw unexpected(what);
        }
        return next().text();
    }

    TemplateException unexpected(String expected) {
        return failure("expected " + expected + ", found " + current().description());
    }

    TemplateException failure(String message) {
        return TemplateException.at(line(), message);
    }

    void enter() {
        nesting++;
        if (nesting > MAX_NESTING) {
            throw failure("the template nests deeper than " + MAX_NESTING + " levels");
        }
    }

    void leave() {
        nesting--;
    }
}
