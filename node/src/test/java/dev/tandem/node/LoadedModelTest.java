package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.ServeFlags;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class LoadedModelTest {
    private static final Path MODEL = Path.of(System.getProperty("tandem.root"), "models", "tandem-fable");
    private static final int MAX_BYTES = 1 << 20;

    private static LoadedModel open(Path template) {
        var flags = ServeFlags.parse(List.of(MODEL.toString(), "--chat-template", template.toString()));
        var machine = new Machine(Set.of("lo"), Set.of("127.0.0.1"));
        return LoadedModel.open(new NodeConfig(flags, NodeEnvironment.read(Map.of(), machine), 8));
    }

    @Test
    void shouldTakeAChatTemplateOfTheGreatestLength(@TempDir Path folder) throws IOException {
        Path template = Files.writeString(folder.resolve("template"), " ".repeat(MAX_BYTES));

        LoadedModel model = open(template);

        assertThat(model.served(64).conversations().template()).isPresent();
        model.checkpoint().close();
    }

    @Test
    void shouldRefuseAChatTemplateThatIsTooLong(@TempDir Path folder) throws IOException {
        Path template = Files.writeString(folder.resolve("template"), " ".repeat(MAX_BYTES + 1));

        assertThatThrownBy(() -> open(template))
                .isInstanceOf(NodeException.class)
                .hasMessage("--chat-template " + template + " cannot be read: it is longer than 1048576 bytes");
    }

    @Test
    void shouldReadNoMoreOfAnEndlessChatTemplateThanMayBe() {
        assertThatThrownBy(() -> open(Path.of("/dev/zero")))
                .hasMessage("--chat-template /dev/zero cannot be read: it is longer than 1048576 bytes");
    }
}
