/** Blocks, their owners and the prefix cache. */
package dev.tandem.engine.cache;
