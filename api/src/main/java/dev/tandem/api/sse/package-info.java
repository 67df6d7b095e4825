/** Server-sent events. */
package dev.tandem.api.sse;
