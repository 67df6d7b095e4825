package dev.tandem.ops.verify;

import dev.tandem.ops.verify.Row.Check;
import dev.tandem.ops.verify.Row.Status;
import java.util.List;

/**
 * What a verification has seen.
 *
 * @param rows one for each check
 * @param answer to the question, streamed
 */
public record Report(List<Row> rows, Completion answer) {
    public Report {
        rows = List.copyOf(rows);
    }

    /** How many checks ended so. */
    public int count(Status status) {
        return (int) rows.stream().filter(row -> row.status() == status).count();
    }

    /** Whether nothing failed; what could not be seen is not a failure. */
    public boolean isWell() {
        return count(Status.FAILED) == 0;
    }

    /** Whether KV was seen to move. */
    public boolean isDisaggregated() {
        return rows.stream().anyMatch(row -> row.check() == Check.DISAGGREGATION && row.status() == Status.OK);
    }
}
