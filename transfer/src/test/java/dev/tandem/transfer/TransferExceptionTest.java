package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.TransferException.Kind;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

class TransferExceptionTest {
    @Test
    void shouldSayOfAFailedWriteThatItWasAWrite() {
        TransferException write = TransferException.of(Operation.WRITE, new IllegalStateException("gone"));
        assertThat(write).hasMessage("the write ended without a result: java.lang.IllegalStateException: gone");
        assertThat(write.kind()).isEqualTo(Kind.PEER_GONE);
        assertThat(TransferException.of(Operation.READ, null)).hasMessage("the read ended without a result: null");
    }

    @Test
    void shouldKeepTheTransfersOwnReason() {
        var reason = new TransferException(Kind.TIMED_OUT, "too slow");
        assertThat(TransferException.of(Operation.WRITE, new CompletionException(reason)))
                .isSameAs(reason);
    }
}
