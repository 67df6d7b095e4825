/**
 * What server and client share: addresses, event loops, strict JSON, failures. Entry: {@link dev.tandem.api.StrictJson} and {@link
 * dev.tandem.api.EventLoops}. Any thread.
 */
@NullMarked
package dev.tandem.api;

import org.jspecify.annotations.NullMarked;
