package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.preflight.ranktable.RankTableFile.Prepared;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RankTableFileTest {
    @TempDir
    private Path folder;

    private Path path;
    private RankTable table;

    @BeforeEach
    void read() throws IOException {
        path = folder.resolve("ranktable.json");
        table = read("a2-1x8.json");
    }

    private RankTable read(String name) throws IOException {
        Path file = Files.writeString(folder.resolve(name), Tables.text(name));
        RankTable read = RankTable.read(file);
        Files.delete(file);
        return read;
    }

    private long files() throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.count();
        }
    }

    @Test
    void shouldPutTheTableInPlaceInOneGo() throws IOException {
        Prepared prepared = new RankTableFile(path, false).prepare(table);
        assertThat(path).doesNotExist();
        prepared.commit();
        prepared.discard();
        assertThat(path).hasContent(Tables.text("a2-1x8.json"));
        assertThat(files()).isEqualTo(1);
    }

    @Test
    void shouldLeaveNothingWhenItIsDiscarded() throws IOException {
        new RankTableFile(path, false).prepare(table).discard();
        assertThat(files()).isZero();
    }

    @Test
    void shouldKeepAFileThatHoldsTheSameTable() throws IOException {
        String otherwise = table.toJson().replaceAll("\\s+", " ");
        Files.writeString(path, otherwise);
        Prepared prepared = new RankTableFile(path, false).prepare(table);
        assertThat(prepared.isKept()).isTrue();
        prepared.commit();
        assertThat(path).hasContent(otherwise);
    }

    @Test
    void shouldRefuseToReplaceAnotherTableAndSayWhatDiffers() throws IOException {
        Files.writeString(path, Tables.text("a2-1x8.json").replace("29.19.139.18", "29.19.139.99"));
        assertThatThrownBy(() -> new RankTableFile(path, false).prepare(table))
                .isInstanceOf(RankTableException.class)
                .hasMessage(
                        path + " is there already and differs: decode_device_list[3].device_ip is 29.19.139.99 there,"
                                + " 29.19.139.18 now; --force replaces it");
        assertThat(files()).isEqualTo(1);
        Prepared prepared = new RankTableFile(path, true).prepare(table);
        prepared.commit();
        assertThat(path).hasContent(Tables.text("a2-1x8.json"));
    }

    @Test
    void shouldNotReplaceAFileThatIsNoTable() throws IOException {
        Files.writeString(path, "{\"model\": \"x\"}");
        assertThatThrownBy(() -> new RankTableFile(path, false).prepare(table))
                .hasMessageContaining("is there already and differs: it is not such a table");
        assertThat(path).hasContent("{\"model\": \"x\"}");
    }

    @Test
    void shouldNameTheFirstDifference() throws IOException {
        assertThat(RankTableFile.difference(read("a3-2x16.json"), read("a2-2x16.json")))
                .hasValue("prefill_device_list[0].device_ip is 192.168.1.199 there, 29.19.139.11 now");
        assertThat(RankTableFile.difference(read("a2-1x8.json"), read("a2-2x16.json")))
                .hasValue("prefill_device_list[0].server_id is 192.0.0.1 there, 172.22.0.218 now");
        assertThat(RankTableFile.difference(
                        table, new RankTable(table.prefill(), table.decode().subList(0, 3))))
                .hasValue("decode_device_list has 4 devices there, 3 now");
    }

    @Test
    void shouldReplaceWhatALinkPointsTo() throws IOException {
        Path target = Files.writeString(folder.resolve("target.json"), "{}");
        Files.createSymbolicLink(path, target);
        new RankTableFile(path, true).prepare(table).commit();
        assertThat(path).isSymbolicLink();
        assertThat(target).hasContent(Tables.text("a2-1x8.json"));
    }

    @Test
    void shouldRefuseAPlaceWhereItCannotWrite() {
        assertThatThrownBy(() -> new RankTableFile(folder.resolve("none/ranktable.json"), false).requireWritable())
                .hasMessageContaining("the folder " + folder.resolve("none") + " does not exist");
        assertThatThrownBy(() -> new RankTableFile(folder, false).requireWritable())
                .hasMessageContaining("is a folder");
    }
}
