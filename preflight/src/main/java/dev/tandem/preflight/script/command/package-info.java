/**
 * The commands of scripts as the programs that they start read them: nodes, proxies, rank tables and requests. Entry: {@link
 * dev.tandem.preflight.script.command.DeploymentReader}; what a grammar refuses becomes a finding. Runs on the caller's thread.
 */
@NullMarked
package dev.tandem.preflight.script.command;

import org.jspecify.annotations.NullMarked;
