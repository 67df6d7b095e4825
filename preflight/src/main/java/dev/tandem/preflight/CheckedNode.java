package dev.tandem.preflight;

import java.util.List;
import java.util.stream.Stream;

/**
 * Everything that was found on one node, or about something that belongs to no node.
 *
 * @param name its address; {@code here} where it has not been given one
 * @param sections in the order in which they are shown
 */
public record CheckedNode(String name, List<Section> sections) {
    public CheckedNode {
        sections = List.copyOf(sections);
    }

    /**
     * Findings of one kind.
     *
     * @param title what they are about
     * @param table title line and rows, which show what is well; empty where findings do that themselves
     * @param findings all of them
     */
    public record Section(String title, List<List<String>> table, List<Finding> findings) {
        public Section {
            table = table.stream().map(List::copyOf).toList();
            findings = List.copyOf(findings);
        }

        /** Findings without a table. */
        public Section(String title, List<Finding> findings) {
            this(title, List.of(), findings);
        }
    }

    /** All findings. */
    public Stream<Finding> findings() {
        return sections.stream().flatMap(section -> section.findings().stream());
    }
}
