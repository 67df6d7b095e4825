/**
 * The grammar of {@code tandem proxy}: the flags of both example proxies, as a table of flags in the habit of argparse. Entry: {@link
 * dev.tandem.preflight.proxy.ProxyFlags}. Pure; the command line and the check of start scripts use it alike.
 */
@NullMarked
package dev.tandem.preflight.proxy;

import org.jspecify.annotations.NullMarked;
