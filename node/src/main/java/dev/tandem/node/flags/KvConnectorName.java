package dev.tandem.node.flags;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import java.util.List;

/** The connectors that this version carries out, by the names that vLLM and vllm-ascend give them, and how each moves KV. */
public enum KvConnectorName {
    /** The decode node reads when the prefill node has answered. */
    MOONCAKE("pull", "MooncakeConnector", "mooncake_connector", Connector.PULL),
    /** The prefill node writes each layer while it computes the next. */
    MOONCAKE_LAYERWISE("layerwise", "MooncakeLayerwiseConnector", "mooncake_layerwise_connector", Connector.LAYERWISE),
    /** The decode node reads, and finds the prefill node in the rank table. */
    LLM_DATA_DIST("llmdatadist", "LLMDataDistCMgrConnector", "llmdatadist_c_mgr_connector", Connector.PULL);

    private final String topologyWord;
    private final String vllmName;
    private final String module;
    private final Connector connector;

    KvConnectorName(String topologyWord, String vllmName, String module, Connector connector) {
        this.topologyWord = topologyWord;
        this.vllmName = vllmName;
        this.module = module;
        this.connector = connector;
    }

    /** The word for it in a topology file. */
    public String topologyWord() {
        return topologyWord;
    }

    /** {@code kv_connector}, as the guides write it. */
    public String vllmName() {
        return vllmName;
    }

    /** Every value of {@code kv_connector} that means it. */
    List<String> vllmNames() {
        return this == MOONCAKE ? List.of(vllmName, "MooncakeConnectorV1") : List.of(vllmName);
    }

    /** The last part of its module path, before and after vllm-ascend moved its connectors to {@code kv_transfer}. */
    String module() {
        return module;
    }

    /** {@code kv_connector_module_path}, as the guides give it. */
    public String modulePath() {
        return "vllm_ascend.distributed." + module;
    }

    /** How KV moves. */
    public Connector connector() {
        return connector;
    }
}
