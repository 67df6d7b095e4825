package dev.tandem.engine.request;

import dev.tandem.trust.ClusterSecret;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** What this node does with the KV of a request. */
public sealed interface HandoffRole {
    /** Prefill and decode here. */
    record None() implements HandoffRole {}

    /** Prefill node: keep the prompt's blocks and answer with a ticket ({@code do_remote_decode}). */
    record Lend() implements HandoffRole {}

    /** Decode node: fetch the prompt's KV by this ticket ({@code do_remote_prefill}). */
    record Fetch(HandoffTicket ticket) implements HandoffRole {}

    /** Prefill node: write the prompt's KV into these blocks of a decode node, layer by layer ({@code do_remote_decode} with blocks). */
    record Push(HandoffTicket target) implements HandoffRole {}

    /**
     * Decode node: have the prompt's KV pushed here ({@code do_remote_prefill} with {@code metaserver}).
     *
     * @param metaserver URL to post the invitation to; whoever takes it from a client must have allowed it
     * @param seal of a gateway that knows the cluster's secret, hexadecimal; empty where there is none
     */
    record Receive(String metaserver, String seal) implements HandoffRole {
        private static final String SEALED_AS = "metaserver";

        /** Without a seal. */
        public Receive(String metaserver) {
            this(metaserver, "");
        }

        /** Whether whoever knows this secret has named the metaserver. */
        public boolean isSealedBy(ClusterSecret secret) {
            return seal.matches("[0-9a-f]{" + 2 * ClusterSecret.MAC_BYTES + "}")
                    && secret.isSealed(
                            SEALED_AS,
                            metaserver.getBytes(StandardCharsets.UTF_8),
                            HexFormat.of().parseHex(seal));
        }
    }
}
