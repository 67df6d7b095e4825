/**
 * The rules of start scripts: what the grammars of the programs cannot see, since it concerns several commands, files or machines. Entry:
 * {@link dev.tandem.preflight.script.rule.DeploymentRules}. Pure, but for looking whether a rank table is there.
 */
@NullMarked
package dev.tandem.preflight.script.rule;

import org.jspecify.annotations.NullMarked;
