/**
 * The connector with which D reads what P has lent. Entry: {@link dev.tandem.engine.handoff.pull.PullConnector}, whose methods belong to
 * the engine loop; the state of fetches under way belongs to the side-channel poller.
 */
package dev.tandem.engine.handoff.pull;
