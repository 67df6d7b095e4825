package dev.tandem.engine.cache;

import java.util.Arrays;

/**
 * The blocks that nobody owns, as a doubly linked list in two arrays: taken from the front. A block whose content is worth nothing goes
 * to the front; one that the prefix cache may find again goes to the back, so that the list is also the order of eviction (least
 * recently used first). Owned by the engine loop.
 */
final class FreeBlocks {
    private static final int NOT_IN_LIST = -1;

    private final int end; // the sentinel's index: before the front and behind the back
    private final int[] before;
    private final int[] behind;
    private int size;

    /** All blocks, lowest id first. */
    FreeBlocks(int blockCount) {
        this.end = blockCount;
        this.before = new int[blockCount + 1];
        this.behind = new int[blockCount + 1];
        before[end] = end;
        behind[end] = end;
        Arrays.fill(before, 0, blockCount, NOT_IN_LIST);
        for (int blockId = 0; blockId < blockCount; blockId++) {
            addLast(blockId);
        }
    }

    int size() {
        return size;
    }

    boolean contains(int blockId) {
        return before[blockId] != NOT_IN_LIST;
    }

    void addFirst(int blockId) {
        insert(blockId, end, behind[end]);
    }

    void addLast(int blockId) {
        insert(blockId, before[end], end);
    }

    int removeFirst() {
        if (size == 0) {
            throw new IllegalStateException("no free block is left; ask canAllocate first");
        }
        int blockId = behind[end];
        remove(blockId);
        return blockId;
    }

    void remove(int blockId) {
        if (!contains(blockId)) {
            throw new IllegalStateException("block " + blockId + " is not free");
        }
        behind[before[blockId]] = behind[blockId];
        before[behind[blockId]] = before[blockId];
        before[blockId] = NOT_IN_LIST;
        size--;
    }

    private void insert(int blockId, int left, int right) {
        if (contains(blockId)) {
            throw new IllegalStateException("block " + blockId + " is already free");
        }
        before[blockId] = left;
        behind[blockId] = right;
        behind[left] = blockId;
        before[right] = blockId;
        size++;
    }
}
