package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Promise;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class EventLoopsTest {
    @Test
    void shouldSayHowLongTheLoopsDidNotReactAndWhyThatMayBe() {
        Promise<Void> never = Promise.promise();
        assertThatThrownBy(() -> EventLoops.await(never.future(), Duration.ofMillis(1)))
                .isInstanceOf(ApiException.class)
                .hasMessage(
                        "the event loops did not react within 1 ms: the machine is overloaded, or one of them hangs");
    }
}
