/**
 * One serving process: it opens a checkpoint, starts its ranks and engines, meets the other processes of its deployment and then listens.
 * Entry: {@link dev.tandem.node.Node#start}, called by one thread; {@code node.http} answers requests, {@code node.flags} reads the
 * command line.
 */
package dev.tandem.node;
