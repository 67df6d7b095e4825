package dev.tandem.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * What the system does with the signals that end a process. The JVM takes the first one and runs its hooks; further ones it drops, so that
 * nothing but SIGKILL would end a process that takes its time.
 */
final class EndSignals {
    private static final int SIGINT = 2;
    private static final int SIGTERM = 15;
    /** {@code SIG_DFL} of signal(2): the signal ends the process. */
    private static final MemorySegment DEFAULT = MemorySegment.NULL;

    private EndSignals() {}

    /** From now on either signal ends this process at once. */
    static void endAtOnceNextTime() {
        Linker linker = Linker.nativeLinker();
        Optional<MemorySegment> address = linker.defaultLookup().find("signal");
        if (address.isEmpty()) {
            return; // no such signals on this system
        }
        MethodHandle signal = linker.downcallHandle(
                address.get(), FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
        try {
            for (int number : new int[] {SIGINT, SIGTERM}) {
                MemorySegment before = (MemorySegment) signal.invokeExact(number, DEFAULT);
                if (before.address() == -1) {
                    throw new IllegalStateException("signal(" + number + ") has failed");
                }
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("a C function that throws", e);
        }
    }
}
