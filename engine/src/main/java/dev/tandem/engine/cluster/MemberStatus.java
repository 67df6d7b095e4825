package dev.tandem.engine.cluster;

import java.time.Duration;
import java.util.Optional;

/**
 * What the head knows of one other process of its deployment.
 *
 * @param placement its place
 * @param downReason why it is not there; empty while it is
 * @param inState since when it is as it is
 * @param joins how often it has joined
 */
public record MemberStatus(MemberPlacement placement, Optional<String> downReason, Duration inState, long joins) {
    public boolean isUp() {
        return downReason.isEmpty();
    }
}
