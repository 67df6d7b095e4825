package dev.tandem.ops.simulate.gateway;

/** What model nodes say to each other: the KV of a prompt is its text. */
sealed interface KvMessage {
    /** A decode node reads what a prefill node lends. */
    record Fetch(long lease) implements KvMessage {}

    /** What was lent. */
    record Content(String prompt) implements KvMessage {}

    /** Nothing is lent under that number, any more or at all. */
    record NotLent() implements KvMessage {}

    /** It has been read and need not be lent any longer. */
    record Done(long lease) implements KvMessage {}

    /** A prefill node writes into a decode node's blocks. */
    record Write(long block, String prompt) implements KvMessage {}

    /** Whether anybody waited for that. */
    record Written(boolean wasAwaited) implements KvMessage {}
}
