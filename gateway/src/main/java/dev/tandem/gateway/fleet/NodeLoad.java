package dev.tandem.gateway.fleet;

/**
 * A node and its load at one moment, in thousandths of vllm-ascend's token score.
 *
 * @param node the node
 * @param activeTokens of requests that it computes for
 * @param activeKv of requests whose blocks it holds; prefill nodes only
 */
public record NodeLoad(FleetNode node, long activeTokens, long activeKv) {}
