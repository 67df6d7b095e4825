package dev.tandem.preflight.script.rule;

import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.shell.SourceLocation;
import java.util.Optional;

/**
 * Ports that a process will open.
 *
 * @param what they are for
 * @param machine its address as others know it; empty where the script does not say
 * @param bound the address that is bound
 * @param ports first and last
 * @param location where the script says so
 */
record Listener(Purpose what, Optional<String> machine, String bound, Range ports, SourceLocation location) {
    /** What ports are for. */
    enum Purpose {
        HTTP("HTTP"),
        JOINS("joins of its deployment"),
        SIDE_CHANNEL("the side channel"),
        GATEWAY("the gateway"),
        TRANSFER("the transfer engine");

        private final String text;

        Purpose(String text) {
            this.text = text;
        }

        String text() {
            return text;
        }
    }

    /** The first and the last port. */
    record Range(int first, int last) {
        @Override
        public String toString() {
            return first == last ? Integer.toString(first) : first + "-" + last;
        }
    }

    boolean clashesWith(Listener other) {
        return ports.first <= other.ports.last
                && other.ports.first <= ports.last
                && ScriptedDeployment.isOneMachine(machine, location, other.machine, other.location)
                && (bound.equals(other.bound) || Hosts.isWildcard(bound) || Hosts.isWildcard(other.bound));
    }

    @Override
    public String toString() {
        return what.text() + " on " + (bound.isEmpty() ? "" : bound + ":") + ports;
    }
}
