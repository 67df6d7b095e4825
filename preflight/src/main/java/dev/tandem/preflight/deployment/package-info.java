/**
 * What the nodes of a deployment need of the machines that they will run on. Entry: {@link
 * dev.tandem.preflight.deployment.PlannedNode}, from the arguments of {@code serve}, and {@link
 * dev.tandem.preflight.deployment.DeploymentCheck}. Runs on the caller's thread.
 */
@NullMarked
package dev.tandem.preflight.deployment;

import org.jspecify.annotations.NullMarked;
