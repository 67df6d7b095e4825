/**
 * Chat templates: an interpreter of a bounded Jinja subset with Python's semantics, for templates that nobody has reviewed. Entry: {@link
 * dev.tandem.text.template.ChatTemplate}, which any thread may render; a rendering ({@code TemplateRun}) belongs to its thread.
 *
 * <p>The way of a template: {@code TemplateLexer} → {@code TemplateTokens} → {@code TemplateParser} and {@code ExpressionParser} → trees of
 * {@code Statement} and {@code Expression} → {@code StatementRunner} and {@code ExpressionEvaluator}. {@code Python…} classes hold what
 * Python's values do; everything that grows counts against a {@code TemplateBudget}.
 */
package dev.tandem.text.template;
