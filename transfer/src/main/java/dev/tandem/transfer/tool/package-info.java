/**
 * What {@code tandem transfer} does, without its command line: a target that peers can move bytes to and from, a measurement, and copies
 * between a peer's memory and streams. Entry: the class named like the verb. Runs on the caller's threads.
 */
package dev.tandem.transfer.tool;
