/**
 * The rank table of vllm-ascend's LLMDataDistCMgrConnector: which accelerator devices prefill, which decode, on which nodes and at which
 * addresses. Reads and checks the file, finds a node's devices by rank, and writes the documented form. Pure but for reading the file; any
 * thread. Entry: {@link dev.tandem.engine.handoff.ranktable.RankTable}.
 */
package dev.tandem.engine.handoff.ranktable;
