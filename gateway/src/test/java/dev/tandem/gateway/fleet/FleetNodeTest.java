package dev.tandem.gateway.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class FleetNodeTest {
    private final FleetNode node = new Fleet(
                    List.of(),
                    List.of(new HttpAddress("127.0.0.1", 1)),
                    HandoffKind.PULL,
                    new NodeKey(Optional.empty(), Optional.empty(), true),
                    System::nanoTime)
            .nodes(NodeRole.DECODE)
            .getFirst();

    /** An answer that it gave before is read after its end: what such a node would have said behind it is missed then. */
    @Test
    void shouldRememberWhoseAnswersItGaveWhileItIsNotThere() {
        node.identify(Optional.of(new NodeIdentity("decode", "pull", "MooncakeConnector", "d")));
        node.markUp();
        node.markHung("no answer");
        assertThat(node.isTandem()).isTrue();
        node.markDown("refused");
        assertThat(node.isTandem()).isTrue();
    }

    @Test
    void shouldTakeItForAnotherProgramOnceItSaysSo() {
        node.identify(Optional.of(new NodeIdentity("decode", "pull", "MooncakeConnector", "d")));
        node.markUp();
        node.markDown("refused");
        node.identify(Optional.empty());
        node.markUp();
        assertThat(node.isTandem()).isFalse();
    }
}
