/**
 * A cluster under random kills: every answer is either equal to that of a quiet aggregated node, or an explicit error. Entry: {@link
 * dev.tandem.bench.soak.Soak}; one thread asks for each request, one kills.
 */
@NullMarked
package dev.tandem.bench.soak;

import org.jspecify.annotations.NullMarked;
