/**
 * Who may call whom: API keys ({@link dev.tandem.api.access.KeyGuard}) and the certificates of TLS ({@link
 * dev.tandem.api.access.TlsMaterial}), both read anew when their files change. Entry: {@link dev.tandem.api.access.ServerAccess}, which
 * flags build. Any thread; files are watched on a virtual thread.
 */
@NullMarked
package dev.tandem.api.access;

import org.jspecify.annotations.NullMarked;
