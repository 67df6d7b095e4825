/**
 * Lets peers into blocks for a while: fresh virtual ids per lease, regions that translate them, and the count of messages that end a lease.
 * Entry: {@link dev.tandem.engine.handoff.lease.LeaseTable}. Leases begin and end on the engine loop; transfer threads open and close
 * accesses in between, and the side-channel poller looks leases up.
 */
package dev.tandem.engine.handoff.lease;
