/**
 * Shows that a running cluster works: requests through the gateway, read as a client reads them, compared with one node's own answer and
 * with what the nodes tell of themselves. Entry: {@link dev.tandem.ops.verify.Verification}, on the caller's thread.
 */
package dev.tandem.ops.verify;
