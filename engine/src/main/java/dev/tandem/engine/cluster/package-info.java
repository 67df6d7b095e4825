/**
 * Several processes as one deployment: headless nodes join the head, the head gives requests to the ranks of all of them, and everybody
 * learns who is there. Entries: {@link dev.tandem.engine.cluster.ClusterHead} and {@link dev.tandem.engine.cluster.ClusterMember}. Frames
 * are handled by the reader thread of their connection, streams of foreign requests are read by a virtual thread each, and one thread per
 * process watches the state of its replicas.
 */
package dev.tandem.engine.cluster;
