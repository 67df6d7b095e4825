package dev.tandem.engine.cluster;

import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.Replica;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenStream;

/**
 * One data-parallel rank of another process, as the head sees it. Its node checks requests, so that what it refuses shows as the first
 * event of the stream. Thread-safe.
 */
final class RemoteReplica implements Replica {
    private final ReplicaLink link;
    private final int dpRank;

    RemoteReplica(ReplicaLink link, int dpRank) {
        this.link = link;
        this.dpRank = dpRank;
    }

    @Override
    public TokenStream submit(Request request) {
        return link.submit(dpRank, request);
    }

    @Override
    public void cancelLease(String requestId) {
        link.cancelLease(dpRank, requestId);
    }

    @Override
    public EngineStatus status() {
        return link.state(dpRank);
    }
}
