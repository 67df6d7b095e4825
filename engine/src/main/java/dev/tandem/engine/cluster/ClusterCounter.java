package dev.tandem.engine.cluster;

import dev.tandem.counter.Counter;

/** Counters of one process as part of a deployment; the sentence is shown on the metrics page. */
public enum ClusterCounter implements Counter {
    NODES_JOINED("Times that a node joined this head; more than there are nodes hints at nodes that come and go."),
    NODES_LOST("Times that a joined node went away without taking leave."),
    NODES_LEFT("Times that a joined node took leave: it was told to end."),
    NODES_REFUSED("Times that a process was not let in; the log names the field that differs."),
    REQUESTS_FORWARDED("Requests given to ranks of other processes."),
    REQUESTS_RERUN("Requests run again on another rank because theirs died before it had answered anything."),
    REQUESTS_LOST("Requests that failed because their rank died in the middle of the answer, or twice."),
    FOREIGN_REQUESTS("Requests of the head that this node took."),
    FOREIGN_REQUESTS_ABORTED("Requests aborted because the connection to the head ended."),
    EXPERT_CALLS("Messages with rows for experts of other processes."),
    EXPERT_CALLS_FAILED("Those that were not answered in time, or with an error; their rows were computed here."),
    EXPERT_ROWS_SENT("Rows in those messages."),
    EXPERT_ROWS_SERVED("Rows computed here for other processes."),
    EXPERT_ROWS_LOCAL("Rows whose experts this process owns."),
    EXPERT_ROWS_RECOMPUTED(
            "Rows of other processes' experts computed here because their owner was not there; hints at a dead node."),
    EXPERT_CALLS_REFUSED("Messages with rows answered with an error; hints at a peer with other settings or no room.");

    private final String sentence;

    ClusterCounter(String sentence) {
        this.sentence = sentence;
    }

    @Override
    public String sentence() {
        return sentence;
    }
}
