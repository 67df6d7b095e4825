/**
 * Taking clients' requests. Entry: {@link dev.tandem.gateway.intake.CompletionIntake}. A request for one sequence becomes one exchange; one
 * for several (a list of prompts, {@code n}) becomes one exchange per sequence, whose answers are put together. Owned by the event loop of
 * the client's connection.
 */
@NullMarked
package dev.tandem.gateway.intake;

import org.jspecify.annotations.NullMarked;
