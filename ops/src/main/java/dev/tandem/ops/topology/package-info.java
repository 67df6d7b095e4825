/**
 * The topology file: which nodes a cluster has, where they listen and what they run. Entry: {@link
 * dev.tandem.ops.topology.Topology#read}. Pure but for reading the file.
 */
package dev.tandem.ops.topology;
