package dev.tandem.cli;

import java.io.IOException;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;

/** One verb of the command line. */
interface Verb {
    /** One line for the list of verbs. */
    String summary();

    /** Its flags, for shell completion; made anew for each caller, since picocli ties a specification to one parent. */
    CommandSpec spec();

    /**
     * Runs it.
     *
     * @param arguments behind the verb
     * @return the exit status
     * @throws dev.tandem.node.flags.FlagException with all problems of the arguments
     */
    int run(List<String> arguments) throws IOException, InterruptedException;
}
