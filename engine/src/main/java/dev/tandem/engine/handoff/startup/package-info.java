/**
 * Begins a process's part in exchanges: chooses the connector of a configuration and makes the code of both sides hot. Entry: {@link
 * dev.tandem.engine.handoff.startup.KvConnectors}. The warm-up has a thread of its own.
 */
package dev.tandem.engine.handoff.startup;
