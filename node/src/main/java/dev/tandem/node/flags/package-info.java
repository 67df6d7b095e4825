/**
 * The words of {@code tandem serve}: the grammar of its flags, the JSON of {@code --kv-transfer-config} and the numbering of ports. Used
 * by serve, check and {@code up --print} alike. Pure. Entry: {@link dev.tandem.node.flags.ServeFlags}.
 */
package dev.tandem.node.flags;
