/**
 * Starts the processes of a topology, watches them and stops them. Entry: {@link dev.tandem.ops.launch.LaunchPlan} (pure) and {@link
 * dev.tandem.ops.launch.Cluster}, which carries it out. Children watch their parent through standard input.
 */
package dev.tandem.ops.launch;
