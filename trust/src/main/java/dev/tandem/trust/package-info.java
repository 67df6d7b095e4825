/**
 * Who is let in: the cluster's secret, the proof that two processes give each other that they know it, and the list of foreign addresses
 * that need none; and what strangers may cost: what counts as one of them, whose connection gives way, how often they are logged. Entry:
 * {@link dev.tandem.trust.PeerTrust}. Bytes in, bytes out: whoever owns a connection carries them. Any thread.
 */
@NullMarked
package dev.tandem.trust;

import org.jspecify.annotations.NullMarked;
