package dev.tandem.layer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;
import org.junit.jupiter.api.Test;

class WorkspaceTest {
    private final Workspace workspace = new Workspace(new Rank(1, 2, 0, 1), 3);

    @Test
    void shouldGiveLayersTheSameBufferForTheSameNameAndWidth() {
        assertThat(workspace.matrix("up", 8)).isSameAs(workspace.matrix("up", 8));
        assertThat(workspace.gathered("gate", 8)).isSameAs(workspace.gathered("gate", 8));
    }

    @Test
    void shouldKeepBuffersOfOtherNamesOrWidthsApart() {
        assertThat(workspace.matrix("up", 8).values())
                .isNotSameAs(workspace.matrix("up", 4).values())
                .isNotSameAs(workspace.matrix("down", 8).values());
    }

    @Test
    void shouldSizeBuffersByTheRowsOfOnePass() {
        assertThat(workspace.matrix("up", 8).values()).hasSize(3 * 8);
        GatherBuffer gate = workspace.gathered("gate", 8);
        assertThat(gate.whole().values()).hasSize(3 * 8);
        assertThat(gate.part().values()).as("half of it on each of two ranks").hasSize(3 * 4);
    }
}
