/**
 * One serving process: HTTP in front of an engine. Entry: {@link dev.tandem.node.Node#start}. Each exchange runs on a virtual thread of
 * its own, posts to the engine's inbox and reads its own token stream.
 */
package dev.tandem.node;
