package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.engine.handoff.HandoffConfig.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FlagArgumentsTest {
    @TempDir
    Path folder;

    private static ServeFlags parse(String... arguments) {
        return ServeFlags.parse(List.of(arguments));
    }

    private static String problem(String... arguments) {
        List<String> problems = catchThrowableOfType(FlagException.class, () -> parse(arguments))
                .problems();
        assertThat(problems).hasSize(1);
        return problems.getFirst();
    }

    private String file(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text).toString();
    }

    @Test
    void shouldReadShortForms() {
        Parallel parallel = parse("m", "-tp", "8", "-dp=4", "-dpl", "2", "-dpr", "2", "-dpa", "10.0.0.1", "-dpp", "99")
                .parallel();
        assertThat(parallel.tensor()).isEqualTo(8);
        assertThat(parallel.data().size()).isEqualTo(4);
        assertThat(parallel.data().startRank()).isEqualTo(2);
        assertThat(parallel.head().address()).isEqualTo("10.0.0.1");
        assertThat(parallel.head().rpcPort()).isEqualTo(99);
        assertThat(parse("m", "-q", "ascend").model().numerics().quantization()).isPresent();
        assertThat(problem("m", "-xy", "3")).contains("unknown flag -xy", "-tp");
    }

    @Test
    void shouldTakeACompilationLevelInAllItsForms() {
        for (List<String> arguments : List.of(
                List.of("-O3"),
                List.of("-O", "3"),
                List.of("-O=3"),
                List.of("-O.level", "3"),
                List.of("-O{\"level\": 3}".replace("-O", "-O=")),
                List.of("--compilation-config", "{\"cudagraph_capture_sizes\":[16]}"))) {
            assertThat(ServeFlags.parse(
                                    java.util.stream.Stream.concat(java.util.stream.Stream.of("m"), arguments.stream())
                                            .toList())
                            .notes())
                    .as(arguments.toString())
                    .containsExactly(
                            "--compilation-config: accepted, no effect, because nothing is compiled for a device");
        }
    }

    @Test
    void shouldReadDottedKeysAndLists() {
        FlagArguments line = FlagArguments.read(
                ServeFlags.table(),
                List.of(
                        "--kv-transfer-config.kv_connector_extra_config.prefill.tp_size",
                        "8",
                        "--kv-transfer-config.kv_connector_extra_config.decode.dp_size=32",
                        "--kv_transfer_config.list+",
                        "a",
                        "--kv-transfer-config.list+=b,c",
                        "--kv-transfer-config.engine_id=007"));
        assertThat(line.problems()).isEmpty();
        assertThat(line.object("kv-transfer-config").orElseThrow())
                .hasToString("{\"kv_connector_extra_config\":{\"prefill\":{\"tp_size\":8},\"decode\":{\"dp_size\":32}},"
                        + "\"list\":[\"a\",\"b\",\"c\"],\"engine_id\":\"007\"}");
    }

    @Test
    void shouldRefuseWhatWouldAnswerOtherwiseThanAsked() {
        assertThat(problem("m", "--pipeline-parallel-size", "2"))
                .contains("--pipeline-parallel-size 2 is refused", "never by layer", "1 would do");
        assertThat(problem("m", "--speculative-config", "{\"num_speculative_tokens\":1}"))
                .contains("--speculative-config {\"num_speculative_tokens\":1}", "no tokens are drafted");
        assertThat(problem("m", "--enable-lora")).contains("--enable-lora is refused", "LoRA");
        assertThat(problem("m", "--data-parallel-backend", "ray")).contains("ray", "mp would do");
        assertThat(problem("m", "--quantization", "awq")).contains("--quantization awq", "ascend");
    }

    @Test
    void shouldTakeRefusedFlagsThatAskForWhatHappensAnyway() {
        assertThat(parse("m", "-pp", "1", "--no-enable-lora", "--load-format", "auto")
                        .notes())
                .hasSize(3);
    }

    /** Erratum 16: three dashes. */
    @Test
    void shouldNameTheFlagBehindADashTooMany() {
        assertThat(problem("m", "---max-num-batched-tokens", "5")).contains("the nearest is --max-num-batched-tokens");
        assertThat(problem("m", "--max-num-batched", "5")).contains("the nearest is --max-num-batched-tokens");
    }

    @Test
    void shouldRefuseBrokenJsonAndKeysTwice() {
        assertThat(problem("m", "--kv-transfer-config", "{\"kv_port\": 1,")).contains("is not valid JSON");
        assertThat(problem("m", "--kv-transfer-config", "{\"kv_port\": 1, \"kv_port\": 2}"))
                .contains("is not valid JSON");
        assertThat(problem("m", "--additional-config", "[1]")).contains("must be a JSON object");
    }

    @Test
    void shouldReadAYamlFileAndLetFlagsWin() throws IOException {
        String yaml = file("serve.yaml", """
                model: from-file
                max_num_seqs: 7
                port: 9000
                served-model-name: [a, b]
                enable-prefix-caching: false
                enforce-eager: true
                kv-transfer-config:
                  kv_connector: MooncakeConnector
                  kv_role: kv_producer
                  kv_port: 30000
                """);
        ServeFlags flags = parse("--config", yaml, "--port", "9001", "--kv-transfer-config.kv_port", "30100");
        assertThat(flags.model().checkpoint()).hasToString("from-file");
        assertThat(flags.model().names()).containsExactly("a", "b");
        assertThat(flags.limits().sequences()).isEqualTo(7);
        assertThat(flags.server().port()).isEqualTo(9001);
        assertThat(flags.cache().cachesPrefixes()).isFalse();
        assertThat(flags.kvTransfer().orElseThrow().kvPort()).isEqualTo(30_100);
        assertThat(flags.notes()).anySatisfy(note -> assertThat(note).startsWith("--enforce-eager"));
        assertThat(parse("other", "--config", yaml).model().checkpoint()).hasToString("other");
    }

    @Test
    void shouldLetAWholeTransferConfigReplaceTheFiles() throws IOException {
        String json = file(
                "serve.json",
                "{\n\t\"model\": \"m\",\n\t\"kv-transfer-config\": {\"kv_connector\": \"MooncakeConnector\","
                        + " \"kv_role\": \"kv_producer\", \"kv_port\": 1}\n}");
        KvTransferConfig config = parse(
                        "--config",
                        json,
                        "--kv-transfer-config",
                        "{\"kv_connector\": \"MooncakeConnector\", \"kv_role\": \"kv_consumer\"}")
                .kvTransfer()
                .orElseThrow();
        assertThat(config.kvPort()).isEqualTo(14_579);
        assertThat(config.role()).isEqualTo(Role.CONSUMER);
    }

    @Test
    void shouldNameFileLineAndNearestKey() throws IOException {
        String yaml = file("serve.yaml", "model: m\nmax-num-sequences: 7\nheadless: maybe\nport: [1, 2]\n");
        List<String> problems = catchThrowableOfType(FlagException.class, () -> parse("--config", yaml))
                .problems();
        assertThat(problems).hasSize(3);
        assertThat(problems.get(0)).contains("serve.yaml line 2: unknown key max-num-sequences", "max-num-seqs");
        assertThat(problems.get(1)).contains("serve.yaml line 3: headless must be true or false, not maybe");
        assertThat(problems.get(2)).contains("serve.yaml line 4: port takes one value");
        assertThat(problem("m", "--config", folder.resolve("none.yaml").toString()))
                .contains("cannot be read");
        assertThat(problem("m", "--config", file("bad.yaml", "a: [1"))).contains("bad.yaml line", "is not valid YAML");
    }

    @Test
    void shouldHelpByGroupAndWord() {
        assertThat(ServeFlags.help()).contains("ParallelConfig:", "--tensor-parallel-size, -tp", "KVTransferConfig");
        assertThat(ServeFlags.table().help("listgroup")).startsWith("Options\nFrontend\nModelConfig\n");
        assertThat(ServeFlags.table().help("LoRAConfig"))
                .contains("refused: LoRA")
                .doesNotContain("--port");
        assertThat(ServeFlags.table().help("max_num")).contains("--max-num-seqs", "--max-num-batched-tokens");
        assertThat(ServeFlags.table().help("all"))
                .contains("accepted, no effect, because there are no graphs to capture");
    }

    @Test
    void shouldRefuseANulInAFileWhereverItStands() throws IOException {
        for (String text : List.of("model: \"a\\0b\"", "{\"model\": \"a\\u0000b\"}", "model: m\n\"po\\0rt\": 1")) {
            List<String> problems = catchThrowableOfType(
                            FlagException.class, () -> parse("--config", file("nul.yaml", text)))
                    .problems();
            assertThat(problems.getFirst()).as(text).contains("nul.yaml line ", "has a NUL character");
        }
    }

    @Test
    void shouldReadNoMoreThanAMebibyteOfAFile() throws IOException {
        String large = file("large.yaml", "model: m\n" + " ".repeat(1 << 20));

        List<String> problems = catchThrowableOfType(FlagException.class, () -> parse("--config", large))
                .problems();

        assertThat(problems.getFirst()).contains(large, "it is longer than 1048576 bytes");
    }
}
