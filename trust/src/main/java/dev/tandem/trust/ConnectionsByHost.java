package dev.tandem.trust;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The open connections of a listener by the host at their other end, and which one gives way where there is no room for another: one of the
 * host that has the most, so that nobody shuts others out by being there first. Owned by whoever owns the listener.
 *
 * @param <C> a connection
 */
public final class ConnectionsByHost<C> {
    private final Map<String, Set<C>> hosts = new HashMap<>(); // those that have one; of each the oldest first
    private int count;

    /** A connection of a host as {@link PeerHost} has it. */
    public void add(String host, C connection) {
        if (hosts.computeIfAbsent(host, first -> new LinkedHashSet<>()).add(connection)) {
            count++;
        }
    }

    /** Whether it was there. */
    public boolean remove(String host, C connection) {
        Set<C> own = hosts.get(host);
        if (own == null || !own.remove(connection)) {
            return false;
        }
        count--;
        if (own.isEmpty()) {
            hosts.remove(host);
        }
        return true;
    }

    public int count() {
        return count;
    }

    /** How many a host has. */
    public int count(String host) {
        return of(host).size();
    }

    /** Those of a host, the oldest first. */
    public Collection<C> of(String host) {
        return hosts.getOrDefault(host, Set.of());
    }

    /** All there are now. */
    public List<C> all() {
        var all = new ArrayList<C>(count);
        hosts.values().forEach(all::addAll);
        return all;
    }

    /** Of the host with the most connections, the first by that order, or oldest, that may go; of the next such host where none of it may. */
    public Optional<C> ofLargest(Predicate<C> mayGo, Comparator<C> order) {
        Optional<C> found = Optional.empty();
        int most = 0;
        for (Set<C> own : hosts.values()) {
            if (own.size() > most) {
                Optional<C> first = own.stream().filter(mayGo).min(order);
                if (first.isPresent()) {
                    most = own.size();
                    found = first;
                }
            }
        }
        return found;
    }

    /** The same of one host. */
    public Optional<C> ofHost(String host, Predicate<C> mayGo, Comparator<C> order) {
        return of(host).stream().filter(mayGo).min(order);
    }
}
