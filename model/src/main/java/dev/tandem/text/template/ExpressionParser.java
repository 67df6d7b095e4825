package dev.tandem.text.template;

import dev.tandem.text.template.Expression.CallArguments;
import dev.tandem.text.template.Expression.Comparand;
import dev.tandem.text.template.Expression.Filter;
import dev.tandem.text.template.Expression.NamedArgument;
import dev.tandem.text.template.TemplateToken.Kind;
import dev.tandem.text.template.TemplateValues.None;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Parses expressions with Jinja2's precedence (jinja2/parser.py), lowest first: if, or, and, not, comparison, + -, ~, * / // %, **,
 * unary.
 */
final class ExpressionParser {
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    /** Names that cannot begin the argument of a test written without parentheses. */
    private static final Set<String> AFTER_TEST = Set.of("else", "or", "and");

    private final TemplateTokens tokens;

    ExpressionParser(TemplateTokens tokens) {
        this.tokens = tokens;
    }

    /** An expression, conditional or not. */
    Expression parse() {
        tokens.enter();
        int line = tokens.line();
        Expression value = parseOr();
        while (tokens.skipName("if")) {
            Expression condition = parseOr();
            Expression otherwise = tokens.skipName("else") ? parse() : null;
            value = new Expression.Conditional(condition, value, otherwise, line);
        }
        tokens.leave();
        return value;
    }

    /** An expression where an {@code if} would belong to something else. */
    Expression parseUnconditional() {
        return parseOr();
    }

    /** One expression, or several with commas between as a tuple. */
    Expression parseTuple(boolean isConditional) {
        int line = tokens.line();
        Expression first = isConditional ? parse() : parseOr();
        if (!tokens.current().isOperator(",")) {
            return first;
        }
        List<Expression> items = new ArrayList<>(List.of(first));
        while (tokens.skipOperator(",") && !isEndOfTuple()) {
            items.add(isConditional ? parse() : parseOr());
        }
        return new Expression.TupleLiteral(items, line);
    }

    private boolean isEndOfTuple() {
        Kind kind = tokens.current().kind();
        return kind == Kind.TAG_END
                || kind == Kind.PRINT_END
                || tokens.current().isOperator(")");
    }

    private Expression parseOr() {
        Expression left = parseAnd();
        while (tokens.current().isName("or")) {
            int line = tokens.next().line();
            left = new Expression.Logical(false, left, parseAnd(), line);
        }
        return left;
    }

    private Expression parseAnd() {
        Expression left = parseNot();
        while (tokens.current().isName("and")) {
            int line = tokens.next().line();
            left = new Expression.Logical(true, left, parseNot(), line);
        }
        return left;
    }

    private Expression parseNot() {
        if (!tokens.current().isName("not")) {
            return parseComparison();
        }
        tokens.enter();
        int line = tokens.next().line();
        Expression negated = new Expression.Unary("not", parseNot(), line);
        tokens.leave();
        return negated;
    }

    private Expression parseComparison() {
        int line = tokens.line();
        Expression first = parseSum();
        List<Comparand> others = new ArrayList<>();
        while (true) {
            TemplateToken token = tokens.current();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
                others.add(new Comparand(tokens.next().text(), parseSum()));
            } else if (tokens.skipName("in")) {
                others.add(new Comparand("in", parseSum()));
            } else if (token.isName("not") && tokens.ahead().isName("in")) {
                tokens.next();
                tokens.next();
                others.add(new Comparand("not in", parseSum()));
            } else {
                return others.isEmpty() ? first : new Expression.Comparison(first, others, line);
            }
        }
    }

    private Expression parseSum() {
        Expression left = parseConcatenation();
        while (tokens.current().isOperator("+") || tokens.current().isOperator("-")) {
            TemplateToken operator = tokens.next();
            left = new Expression.Binary(operator.text(), left, parseConcatenation(), operator.line());
        }
        return left;
    }

    private Expression parseConcatenation() {
        int line = tokens.line();
        List<Expression> parts = new ArrayList<>(List.of(parseProduct()));
        while (tokens.skipOperator("~")) {
            parts.add(parseProduct());
        }
        return parts.size() == 1 ? parts.getFirst() : new Expression.Concatenation(parts, line);
    }

    private Expression parseProduct() {
        Expression left = parsePower();
        while (tokens.current().kind() == Kind.OPERATOR
                && Set.of("*", "/", "//", "%").contains(tokens.current().text())) {
            TemplateToken operator = tokens.next();
            left = new Expression.Binary(operator.text(), left, parsePower(), operator.line());
        }
        return left;
    }

    private Expression parsePower() {
        Expression left = parseUnary(true);
        while (tokens.current().isOperator("**")) {
            int line = tokens.next().line();
            left = new Expression.Binary("**", left, parseUnary(true), line);
        }
        return left;
    }

    private Expression parseUnary(boolean withFilters) {
        tokens.enter();
        TemplateToken token = tokens.current();
        Expression value;
        if (token.isOperator("-") || token.isOperator("+")) {
            tokens.next();
            value = new Expression.Unary(token.text(), parseUnary(false), token.line());
        } else {
            value = parsePrimary();
        }
        value = parsePostfix(value);
        value = withFilters ? parseFiltersAndTests(value) : value;
        tokens.leave();
        return value;
    }

    private Expression parsePrimary() {
        TemplateToken token = tokens.next();
        int line = token.line();
        switch (token.kind()) {
            case NAME -> {
                return switch (token.text()) {
                    case "true", "True" -> new Expression.Constant(true, line);
                    case "false", "False" -> new Expression.Constant(false, line);
                    case "none", "None" -> new Expression.Constant(None.NONE, line);
                    default -> new Expression.Name(token.text(), line);
                };
            }
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (tokens.current().kind() == Kind.STRING) {
                    text.append(tokens.next().text());
                }
                return new Expression.Constant(text.toString(), line);
            }
            case INTEGER -> {
                return new Expression.Constant(integer(token), line);
            }
            case FLOAT -> {
                return new Expression.Constant(Double.parseDouble(token.text()), line);
            }
            case OPERATOR -> {
                switch (token.text()) {
                    case "(" -> {
                        return parseParentheses(line);
                    }
                    case "[" -> {
                        return new Expression.ListLiteral(parseItems("]"), line);
                    }
                    case "{" -> {
                        return parseDict(line);
                    }
                    default -> {}
                }
            }
            default -> {}
        }
        throw TemplateException.at(line, "expected an expression, found " + token.description());
    }

    private static long integer(TemplateToken token) {
        try {
            return Long.parseLong(token.text());
        } catch (NumberFormatException e) {
            throw TemplateException.at(token.line(), "the number " + token.text() + " exceeds 64 bits");
        }
    }

    private Expression parseParentheses(int line) {
        if (tokens.skipOperator(")")) {
            return new Expression.TupleLiteral(List.of(), line);
        }
        Expression value = parseTuple(true);
        tokens.expectOperator(")");
        return value;
    }

    private List<Expression> parseItems(String close) {
        List<Expression> items = new ArrayList<>();
        while (!tokens.skipOperator(close)) {
            if (!items.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator(close)) {
                    break;
                }
            }
            items.add(parse());
        }
        return items;
    }

    private Expression parseDict(int line) {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.skipOperator("}")) {
            if (!keys.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator("}")) {
                    break;
                }
            }
            keys.add(parse());
            tokens.expectOperator(":");
            values.add(parse());
        }
        return new Expression.DictLiteral(keys, values, line);
    }

    private Expression parsePostfix(Expression start) {
        Expression value = start;
        while (true) {
            if (tokens.current().isOperator(".") || tokens.current().isOperator("[")) {
                value = parseSubscript(value);
            } else if (tokens.current().isOperator("(")) {
                int line = tokens.line();
                value = new Expression.Call(value, parseArguments(), line);
            } else {
                return value;
            }
        }
    }

    private Expression parseFiltersAndTests(Expression start) {
        Expression value = start;
        while (true) {
            if (tokens.current().isOperator("|")) {
                int line = tokens.next().line();
                value = new Expression.Filtered(value, parseFilter(), line);
            } else if (tokens.current().isName("is")) {
                value = parseTest(value);
            } else if (tokens.current().isOperator("(")) {
                int line = tokens.line();
                value = new Expression.Call(value, parseArguments(), line);
            } else {
                return value;
            }
        }
    }

    private Expression parseSubscript(Expression object) {
        TemplateToken token = tokens.next();
        if (token.isOperator(".")) {
            if (tokens.current().kind() == Kind.INTEGER) {
                Expression index = new Expression.Constant(integer(tokens.next()), token.line());
                return new Expression.Item(object, index, token.line());
            }
            return new Expression.Attribute(object, tokens.expect(Kind.NAME, "an attribute"), token.line());
        }
        Expression start = tokens.current().isOperator(":") ? null : parseTuple(true);
        if (tokens.current().isOperator(":")) {
            return parseSlice(object, start, token.line());
        }
        tokens.expectOperator("]");
        if (start == null) {
            throw tokens.unexpected("an index");
        }
        return new Expression.Item(object, start, token.line());
    }

    private Expression parseSlice(Expression object, @Nullable Expression start, int line) {
        tokens.expectOperator(":");
        Expression stop = isEndOfSlicePart() ? null : parse();
        Expression step = null;
        if (tokens.skipOperator(":") && !isEndOfSlicePart()) {
            step = parse();
        }
        tokens.expectOperator("]");
        return new Expression.Slice(object, start, stop, step, line);
    }

    private boolean isEndOfSlicePart() {
        return tokens.current().isOperator(":") || tokens.current().isOperator("]");
    }

    /** A filter's name and arguments, behind the bar. */
    Filter parseFilter() {
        int line = tokens.line();
        String name = parseDottedName("a filter");
        if (!TemplateFilters.isKnown(name)) {
            throw TemplateException.at(line, "the filter '" + name + "' is not known");
        }
        CallArguments arguments = tokens.current().isOperator("(") ? parseArguments() : CallArguments.NONE;
        return new Filter(name, arguments, line);
    }

    private Expression parseTest(Expression value) {
        int line = tokens.next().line();
        boolean isNegated = tokens.skipName("not");
        String name = parseDottedName("a test");
        if (!TemplateTests.isKnown(name)) {
            throw TemplateException.at(line, "the test '" + name + "' is not known");
        }
        CallArguments arguments = CallArguments.NONE;
        if (tokens.current().isOperator("(")) {
            arguments = parseArguments();
        } else if (beginsBareArgument(tokens.current())) {
            if (tokens.current().isName("is")) {
                throw tokens.failure("tests cannot be chained with 'is'");
            }
            arguments = new CallArguments(List.of(parsePostfix(parsePrimary())), List.of());
        }
        return new Expression.Tested(value, name, arguments, isNegated, line);
    }

    private static boolean beginsBareArgument(TemplateToken token) {
        return switch (token.kind()) {
            case NAME -> !AFTER_TEST.contains(token.text());
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
    }

    private String parseDottedName(String what) {
        StringBuilder name = new StringBuilder(tokens.expect(Kind.NAME, what));
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.expect(Kind.NAME, what));
        }
        return name.toString();
    }

    CallArguments parseArguments() {
        tokens.expectOperator("(");
        List<Expression> positional = new ArrayList<>();
        List<NamedArgument> named = new ArrayList<>();
        while (!tokens.skipOperator(")")) {
            if (!positional.isEmpty() || !named.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator(")")) {
                    break;
                }
            }
            if (tokens.current().isOperator("*") || tokens.current().isOperator("**")) {
                throw tokens.failure(
                        "unpacking arguments with " + tokens.current().text() + " is not supported");
            }
            if (tokens.current().kind() == Kind.NAME && tokens.ahead().isOperator("=")) {
                String name = tokens.next().text();
                tokens.next();
                named.add(new NamedArgument(name, parse()));
            } else if (named.isEmpty()) {
                positional.add(parse());
            } else {
                throw tokens.failure("a positional argument follows a named one");
            }
        }
        return new CallArguments(positional, named);
    }
}
