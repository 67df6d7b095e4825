package dev.tandem.text.template;

import dev.tandem.text.template.Expression.Filter;
import dev.tandem.text.template.Statement.Bodies;
import dev.tandem.text.template.Statement.Branch;
import dev.tandem.text.template.Statement.Macro;
import dev.tandem.text.template.Statement.Target;
import dev.tandem.text.template.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Parses the tags of a template. */
final class TemplateParser {
    private static final Set<String> RESERVED = Set.of("true", "false", "none", "True", "False", "None");

    private final TemplateTokens tokens;
    private final ExpressionParser expressions;
    /** Loops around the current position, of the same macro or block. */
    private int loops;

    private TemplateParser(String source) {
        tokens = new TemplateTokens(TemplateLexer.tokens(source));
        expressions = new ExpressionParser(tokens);
    }

    static List<Statement> parse(String source) {
        TemplateParser parser = new TemplateParser(source);
        List<Statement> statements = parser.parseUntil(Set.of());
        if (parser.tokens.current().kind() != Kind.END) {
            throw parser.tokens.failure(
                    "unexpected tag '" + parser.tokens.ahead().text() + "'");
        }
        return statements;
    }

    /** Statements up to a tag of one of these names (its opening still to be read) or the end. */
    private List<Statement> parseUntil(Set<String> ends) {
        tokens.enter();
        List<Statement> statements = new ArrayList<>();
        while (true) {
            TemplateToken token = tokens.current();
            switch (token.kind()) {
                case DATA -> statements.add(new Statement.Text(tokens.next().text()));
                case PRINT_BEGIN -> {
                    tokens.next();
                    statements.add(new Statement.Print(expressions.parseTuple(true)));
                    tokens.expect(Kind.PRINT_END, "'}}'");
                }
                case TAG_BEGIN -> {
                    String tag = tokens.ahead().text();
                    if (ends.contains(tag) || (isEnd(tag) && ends.isEmpty())) {
                        tokens.leave();
                        return statements;
                    }
                    tokens.next();
                    statements.add(parseTag());
                }
                default -> {
                    if (!ends.isEmpty()) {
                        throw tokens.failure("the template ends where one of "
                                + ends.stream().sorted().toList() + " is due");
                    }
                    tokens.leave();
                    return statements;
                }
            }
        }
    }

    private static boolean isEnd(String tag) {
        return tag.startsWith("end") || tag.equals("else") || tag.equals("elif");
    }

    private Statement parseTag() {
        int line = tokens.line();
        String tag = tokens.expect(Kind.NAME, "a tag");
        return switch (tag) {
            case "for" -> parseFor(line);
            case "if" -> parseIf();
            case "set" -> parseSet(line);
            case "macro" -> parseMacro(line);
            case "call" -> parseCallBlock(line);
            case "filter" -> parseFilterBlock(line);
            case "with" -> parseWith(line);
            case "generation" -> {
                endTag();
                yield new Statement.Group(parseBody("endgeneration"));
            }
            case "break" -> parseLoopControl(tag, new Statement.Break());
            case "continue" -> parseLoopControl(tag, new Statement.Continue());
            default -> throw TemplateException.at(line, "the tag '" + tag + "' is not known");
        };
    }

    private void endTag() {
        tokens.expect(Kind.TAG_END, "'%}'");
    }

    /** Statements up to the tag of this name, which is read too. */
    private List<Statement> parseBody(String end) {
        List<Statement> body = parseUntil(Set.of(end));
        tokens.next();
        tokens.next();
        endTag();
        return body;
    }

    /** As {@link #parseBody}, where no loop outside may be left. */
    private List<Statement> parseSeparateBody(String end) {
        int outerLoops = loops;
        loops = 0;
        List<Statement> body = parseBody(end);
        loops = outerLoops;
        return body;
    }

    private Statement parseLoopControl(String tag, Statement statement) {
        if (loops == 0) {
            throw tokens.failure("'" + tag + "' stands outside of a loop");
        }
        endTag();
        return statement;
    }

    private Statement parseFor(int line) {
        Target target = parseTarget(false);
        tokens.expectName("in");
        Expression items = expressions.parseTuple(false);
        Expression condition = tokens.skipName("if") ? expressions.parse() : null;
        boolean isRecursive = tokens.skipName("recursive");
        endTag();
        loops++;
        List<Statement> body = parseUntil(Set.of("endfor", "else"));
        loops--;
        tokens.next();
        List<Statement> otherwise = List.of();
        if (tokens.next().isName("else")) {
            endTag();
            otherwise = parseBody("endfor");
        } else {
            endTag();
        }
        return new Statement.For(target, items, condition, isRecursive, new Bodies(body, otherwise), line);
    }

    private Statement parseIf() {
        List<Branch> branches = new ArrayList<>();
        while (true) {
            Expression condition = expressions.parseTuple(false);
            endTag();
            branches.add(new Branch(condition, parseUntil(Set.of("elif", "else", "endif"))));
            tokens.next();
            String tag = tokens.next().text();
            if (tag.equals("elif")) {
                continue;
            }
            endTag();
            return new Statement.If(branches, tag.equals("else") ? parseBody("endif") : List.of());
        }
    }

    private Statement parseSet(int line) {
        Target target = parseTarget(true);
        if (tokens.skipOperator("=")) {
            Expression value = expressions.parseTuple(true);
            endTag();
            return new Statement.Set(target, value, line);
        }
        List<Filter> filters = new ArrayList<>();
        while (tokens.skipOperator("|")) {
            filters.add(expressions.parseFilter());
        }
        endTag();
        return new Statement.SetBlock(target, filters, parseSeparateBody("endset"), line);
    }

    private Statement parseMacro(int line) {
        String name = parseVariable();
        Macro signature = parseSignature(name);
        endTag();
        return new Statement.DefineMacro(withBody(signature, "endmacro"), line);
    }

    private Statement parseCallBlock(int line) {
        Macro signature = tokens.current().isOperator("(")
                ? parseSignature("caller")
                : new Macro("caller", List.of(), List.of(), List.of());
        Expression call = expressions.parse();
        if (!(call instanceof Expression.Call target)) {
            throw TemplateException.at(line, "the tag 'call' needs a call");
        }
        endTag();
        return new Statement.CallBlock(target, withBody(signature, "endcall"), line);
    }

    private Macro withBody(Macro signature, String end) {
        return new Macro(signature.name(), signature.parameters(), signature.defaults(), parseSeparateBody(end));
    }

    private Macro parseSignature(String name) {
        tokens.expectOperator("(");
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        while (!tokens.skipOperator(")")) {
            if (!parameters.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator(")")) {
                    break;
                }
            }
            parameters.add(parseVariable());
            if (tokens.skipOperator("=")) {
                defaults.add(expressions.parse());
            } else if (!defaults.isEmpty()) {
                throw tokens.failure("a parameter without default follows one with");
            }
        }
        return new Macro(name, parameters, defaults, List.of());
    }

    private Statement parseFilterBlock(int line) {
        List<Filter> filters = new ArrayList<>(List.of(expressions.parseFilter()));
        while (tokens.skipOperator("|")) {
            filters.add(expressions.parseFilter());
        }
        endTag();
        return new Statement.FilterBlock(filters, parseSeparateBody("endfilter"), line);
    }

    private Statement parseWith(int line) {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (tokens.current().kind() != Kind.TAG_END) {
            if (!targets.isEmpty()) {
                tokens.expectOperator(",");
            }
            targets.add(new Target.Variable(parseVariable()));
            tokens.expectOperator("=");
            values.add(expressions.parse());
        }
        endTag();
        return new Statement.With(targets, values, parseBody("endwith"), line);
    }

    /** Something to assign to, up to {@code in}, {@code =}, a bar or the end of the tag. */
    private Target parseTarget(boolean mayBeMember) {
        Target first = parseSingleTarget(mayBeMember);
        if (!tokens.current().isOperator(",")) {
            return first;
        }
        List<Target> targets = new ArrayList<>(List.of(first));
        while (tokens.skipOperator(",")) {
            if (tokens.current().isName("in")
                    || tokens.current().isOperator("=")
                    || tokens.current().isOperator(")")) {
                break;
            }
            targets.add(parseSingleTarget(mayBeMember));
        }
        return new Target.Unpacked(targets);
    }

    private Target parseSingleTarget(boolean mayBeMember) {
        tokens.enter();
        Target target;
        if (tokens.skipOperator("(")) {
            target = parseTarget(mayBeMember);
            tokens.expectOperator(")");
        } else {
            String name = parseVariable();
            target = mayBeMember && tokens.skipOperator(".")
                    ? new Target.Member(name, tokens.expect(Kind.NAME, "an attribute"))
                    : new Target.Variable(name);
        }
        tokens.leave();
        return target;
    }

    private String parseVariable() {
        if (RESERVED.contains(tokens.current().text())) {
            throw tokens.unexpected("a variable");
        }
        return tokens.expect(Kind.NAME, "a variable");
    }
}
