/**
 * What the nodes of a deployment need of the machines that they will run on. Entry: {@link
 * dev.tandem.ops.preflight.deployment.PlannedNode}, from a topology or from the words of {@code serve}, and {@link
 * dev.tandem.ops.preflight.deployment.DeploymentCheck}. Runs on the caller's thread.
 */
@NullMarked
package dev.tandem.ops.preflight.deployment;

import org.jspecify.annotations.NullMarked;
