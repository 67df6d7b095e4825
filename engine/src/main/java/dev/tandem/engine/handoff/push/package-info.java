/**
 * The connector with which P writes each layer of a prompt into D's memory while it computes the next. Entry: {@link
 * dev.tandem.engine.handoff.push.LayerwiseConnector}, whose methods belong to the engine loop; the state of pushes under way belongs to the
 * side-channel poller, and rank threads say what is stored.
 */
package dev.tandem.engine.handoff.push;
