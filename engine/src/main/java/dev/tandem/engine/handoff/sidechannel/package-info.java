/**
 * Speaks with peers over ZeroMQ: tells where KV lies, asks where theirs lies, and reports that a transfer is over. Entry: {@link
 * dev.tandem.engine.handoff.sidechannel.SideChannel}, whose poller thread owns all sockets; everything here runs on it but what posts to
 * it, and the watch that asks whether it lives. The dialects are vllm-ascend's.
 */
package dev.tandem.engine.handoff.sidechannel;
