/**
 * The nodes behind the gateway: their load and whether they are alive. Entry: {@link dev.tandem.gateway.fleet.Fleet}. Loads are counted by
 * event loops, health is judged by one virtual thread per node.
 */
@NullMarked
package dev.tandem.gateway.fleet;

import org.jspecify.annotations.NullMarked;
