package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A gateway process with little memory and few descriptors, under clients that want all of them. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayBoundsTest {
    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final String REQUEST = "{\"prompt\":\"a\",\"max_tokens\":1}";

    private final List<Socket> clients = new ArrayList<>();
    private final HttpClient http = HttpClient.start(HttpClientConfig.DEFAULT);
    private final FakeNode prefill = FakeNode.prefill();
    private final FakeNode decode = FakeNode.decode();
    private Process gateway;
    private HttpAddress address;

    /** @param heap as the JVM's -Xmx has it */
    private void start(String heap, int descriptors) throws IOException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String command = "ulimit -n " + descriptors + " && exec '" + java + "' -Xmx" + heap + " -cp '"
                + System.getProperty("java.class.path") + "' " + GatewayMain.class.getName() + " 0 2 " + prefill.port()
                + " " + decode.port();
        gateway = new ProcessBuilder("bash", "-c", command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        BufferedReader out = gateway.inputReader();
        String line = out.readLine();
        while (line != null && !line.startsWith("listening on ")) {
            line = out.readLine();
        }
        assertThat(line).isNotNull();
        address = new HttpAddress("127.0.0.1", Integer.parseInt(line.substring("listening on ".length())));
    }

    @AfterEach
    void close() throws IOException {
        for (Socket client : clients) {
            client.close();
        }
        gateway.destroyForcibly();
        http.close();
        prefill.close();
        decode.close();
    }

    private Socket connect() throws IOException {
        Socket client = new Socket(InetAddress.getByName("127.0.0.1"), address.port());
        clients.add(client);
        return client;
    }

    private HttpReply ask() {
        return http.send(
                HttpCall.postJson(address, "/v1/completions", REQUEST.getBytes(StandardCharsets.UTF_8)), DEADLINE);
    }

    private int health() {
        return http.send(HttpCall.get(address, "/health"), DEADLINE).status();
    }

    @Test
    void shouldOutliveSlowBodiesThatTogetherExceedItsHeap() throws IOException {
        start("128m", 4096);
        byte[] half = new byte[5 << 20];
        java.util.Arrays.fill(half, (byte) ' ');
        byte[] head = ("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + 2 * half.length + "\r\n\r\n")
                .getBytes(StandardCharsets.UTF_8);
        int sent = 0;
        for (int i = 0; i < 40; i++) {
            Socket client = connect();
            try {
                client.getOutputStream().write(head);
                client.getOutputStream().write(half);
                sent++;
            } catch (IOException refused) { // and its connection closed while the rest was under way
                assertThat(refused).hasMessageMatching("Broken pipe|Connection reset.*");
            }
            assertThat(health()).isEqualTo(200);
        }
        assertThat(sent).isGreaterThan(2);
        assertThat(ask().status()).isEqualTo(200);
        assertThat(gateway.isAlive()).isTrue();
    }

    @Test
    void shouldServeWithFewDescriptorsWhileThousandsOfIdleConnectionsAreOpened() throws IOException {
        start("256m", 256);
        for (int i = 0; i < 3_000; i++) {
            connect();
            if (i % 500 == 499) {
                assertThat(ask().status()).isEqualTo(200);
                assertThat(health()).isEqualTo(200);
            }
        }
        for (int i = 0; i < 20; i++) {
            assertThat(ask().status()).isEqualTo(200);
        }
    }
}
