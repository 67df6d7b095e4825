/**
 * Looks at machines, the network between them and the commands that will run there, before anything starts. Entry: {@link
 * dev.tandem.ops.preflight.Finding}, which every check gives.
 */
@NullMarked
package dev.tandem.ops.preflight;

import org.jspecify.annotations.NullMarked;
