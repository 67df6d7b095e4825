package dev.tandem.node;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kv.KvLayout;
import dev.tandem.node.flags.FlagException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Memory that a node will take, worked out with the functions that the node itself uses, before it runs. What a step computes in comes on
 * top of it: scratch for 512 rows per rank.
 *
 * @param checkpoint the checkpoint's path
 * @param weightBytes of its mapped files; all processes of a machine that map the same files hold them once
 * @param kv of the KV memory
 */
public record MemoryNeed(Path checkpoint, long weightBytes, KvNeed kv) {

    /**
     * KV memory.
     *
     * @param bytes of all ranks of this process together
     * @param ranks of this process
     * @param maxModelLength longest sequence, tokens
     * @param bytesPerToken of one rank
     */
    public record KvNeed(long bytes, int ranks, int maxModelLength, long bytesPerToken) {}

    /**
     * Opens the checkpoint, whose weights are not read.
     *
     * @throws FlagException when the checkpoint does not exist, or a sequence of the length that is asked for does not fit into the KV memory
     * @throws dev.tandem.checkpoint.CheckpointException when the checkpoint cannot be used
     */
    public static MemoryNeed of(NodeConfig config) {
        Path path = config.flags().model().checkpoint();
        if (!Files.exists(path)) {
            throw new FlagException("checkpoint " + path + " does not exist");
        }
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            RankPlan plan = RankPlan.of(config, checkpoint.config());
            KvLayout layout = plan.layout();
            int ranks = config.flags().parallel().localRanks();
            return new MemoryNeed(
                    path,
                    checkpoint.files().values().stream()
                            .mapToLong(Long::longValue)
                            .sum(),
                    new KvNeed(
                            layout.blockBytes() * plan.blocks() * ranks,
                            ranks,
                            plan.maxModelLength(),
                            layout.blockBytes() / layout.blockSize()));
        }
    }
}
