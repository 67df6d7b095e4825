package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.request.HandoffTicket;
import java.util.List;

/** Where an engine learns who its peers are, and with it which dialect their side channels speak. */
public sealed interface Peers {
    /**
     * MooncakeConnector, MooncakeLayerwiseConnector: from the tickets.
     *
     * @param tpSize tensor ranks of the other side's engines, as {@code kv_connector_extra_config} says; a ticket that says it itself wins
     */
    record FromTicket(int tpSize) implements Peers {
        public FromTicket {
            if (tpSize < 1 || tpSize > HandoffTicket.MAX_TP_SIZE) {
                throw new IllegalArgumentException(
                        "tp_size " + tpSize + " of the peer is not 1 to " + HandoffTicket.MAX_TP_SIZE);
            }
        }
    }

    /**
     * LLMDataDistCMgrConnector: from the rank table.
     *
     * @param table of the whole deployment
     * @param own devices that this engine's tensor ranks stand for, by rank
     */
    record FromRankTable(RankTable table, List<Device> own) implements Peers {
        public FromRankTable {
            own = List.copyOf(own);
            if (own.isEmpty()) {
                throw new IllegalArgumentException("an engine without devices");
            }
        }
    }
}
