package dev.tandem.preflight.machine;

import java.util.Optional;
import java.util.OptionalLong;

/**
 * Memory that a new process may take: what the kernel calls available, and no more than what the control group leaves. Weights and KV
 * are mapped files, and pages that can be dropped count as available.
 */
final class Memory {
    private static final int KIB = 1024;

    private Memory() {}

    /** Bytes; empty where the system does not report it. */
    static OptionalLong available(SystemFiles files) {
        OptionalLong free = kib(files, "MemAvailable");
        OptionalLong group = leftOfControlGroup(files);
        if (free.isEmpty()) {
            return group;
        }
        return OptionalLong.of(Math.min(free.getAsLong(), group.orElse(Long.MAX_VALUE)));
    }

    /** Bytes of the whole machine. */
    static OptionalLong total(SystemFiles files) {
        return kib(files, "MemTotal");
    }

    private static OptionalLong kib(SystemFiles files, String field) {
        OptionalLong value = SystemFiles.number(files.field("proc/meminfo", field));
        return value.isPresent() ? OptionalLong.of(value.getAsLong() * KIB) : value;
    }

    /** What the control group leaves, by the file names of version 2 and version 1. A group's page cache is dropped before it fails. */
    private static OptionalLong leftOfControlGroup(SystemFiles files) {
        OptionalLong limit = number(files, "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes");
        OptionalLong used = number(files, "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory/memory.usage_in_bytes");
        if (limit.isEmpty() || used.isEmpty() || limit.getAsLong() == Long.MAX_VALUE) {
            return OptionalLong.empty();
        }
        long cache = stat(files, "inactive_file ") + stat(files, "active_file ");
        return OptionalLong.of(Math.max(0, limit.getAsLong() - used.getAsLong() + cache));
    }

    private static OptionalLong number(SystemFiles files, String path, String olderPath) {
        return SystemFiles.number(files.text(path).or(() -> files.text(olderPath)));
    }

    private static long stat(SystemFiles files, String name) {
        return files.text("sys/fs/cgroup/memory.stat")
                .or(() -> files.text("sys/fs/cgroup/memory/memory.stat"))
                .flatMap(text -> text.lines()
                        .filter(line -> line.startsWith(name))
                        .map(line -> line.substring(name.length()))
                        .findFirst())
                .map(value -> SystemFiles.number(Optional.of(value)).orElse(0))
                .orElse(0L);
    }
}
