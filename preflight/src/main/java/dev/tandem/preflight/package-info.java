/**
 * Checks machines, the network between them and the commands that will run there, before anything starts. This package has what every
 * check gives, a {@link dev.tandem.preflight.Finding}, and the two forms in which findings are shown, {@link
 * dev.tandem.preflight.CheckReport}; the packages below it do the looking.
 */
@NullMarked
package dev.tandem.preflight;

import org.jspecify.annotations.NullMarked;
