/** One serving process: flags and environment as records, port numbering, HTTP endpoints onto an engine. */
package dev.tandem.node;
