/**
 * Serves requests on the ranks of one data-parallel replica: requests in, tokens out. Entry: {@link dev.tandem.engine.Engine}. The
 * engine-loop thread owns scheduler, blocks, and sequences; others post to its bounded inbox.
 */
package dev.tandem.engine;
