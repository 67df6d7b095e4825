/**
 * Who is let in: the cluster's secret, the proof that two processes give each other that they know it, and the list of foreign addresses
 * that need none; and what strangers, and threads that hang, may cost: what counts as one of them, whose connection gives way, how often
 * they are logged, how long an end is waited for. Entry: {@link dev.tandem.trust.PeerTrust}. Bytes in, bytes out: whoever owns a connection
 * carries them. Any thread.
 */
@NullMarked
package dev.tandem.trust;

import org.jspecify.annotations.NullMarked;
