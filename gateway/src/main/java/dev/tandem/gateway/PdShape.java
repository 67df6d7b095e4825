package dev.tandem.gateway;

import dev.tandem.gateway.fleet.HandoffKind;
import java.util.Optional;

/** Which of a request's two nodes is called first, and so which connector the nodes must run. */
public sealed interface PdShape {
    /** How such nodes hand off. */
    HandoffKind kind();

    /** P first, D reads P's blocks: {@code MooncakeConnector}, {@code LLMDataDistCMgrConnector} and their like. */
    record PrefillFirst() implements PdShape {
        @Override
        public HandoffKind kind() {
            return HandoffKind.PULL;
        }
    }

    /**
     * D first, P writes into D's blocks layer by layer: {@code MooncakeLayerwiseConnector}.
     *
     * @param advertisedHost address of the gateway for decode nodes; the one that it listens on where absent
     */
    record DecodeFirst(Optional<String> advertisedHost) implements PdShape {
        @Override
        public HandoffKind kind() {
            return HandoffKind.LAYERWISE;
        }
    }
}
