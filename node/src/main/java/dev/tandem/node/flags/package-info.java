/**
 * Command lines whose grammar belongs to other programs. A {@link dev.tandem.node.flags.FlagTable} is read from a text, and {@link
 * dev.tandem.node.flags.FlagArguments} reads arguments by it: those of {@code serve} here, those of {@code proxy} and {@code ranktable}
 * where these live. Also the JSON of {@code --kv-transfer-config} and the numbering of ports. Pure. Entry: {@link
 * dev.tandem.node.flags.ServeFlags}.
 */
package dev.tandem.node.flags;
