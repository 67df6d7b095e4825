/**
 * Hands the KV of a prompt from a prefill node (P) to a decode node (D): what the engine loop sees of it. Entry: {@link
 * dev.tandem.engine.handoff.KvConnector}, one per replica, whose methods belong to the engine loop. How it is done stands in the packages
 * below: {@code pull} and {@code push} are the two connectors; {@code lease}, {@code plan} and {@code sidechannel} what both are made of;
 * {@code runtime} what the replicas of a process share; {@code startup} chooses and warms up.
 */
package dev.tandem.engine.handoff;
