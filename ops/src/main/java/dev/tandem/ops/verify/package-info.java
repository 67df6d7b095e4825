/**
 * Shows that a running cluster works: one request through the gateway, read as a client reads it. Entry: {@link
 * dev.tandem.ops.verify.Verification}.
 */
package dev.tandem.ops.verify;
