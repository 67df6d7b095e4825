/**
 * HTTP client. Entry: {@link dev.tandem.api.client.HttpClient}, blocking on a virtual thread or with callbacks on an event loop ({@link
 * dev.tandem.api.client.Upstream}).
 */
@NullMarked
package dev.tandem.api.client;

import org.jspecify.annotations.NullMarked;
