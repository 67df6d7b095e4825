package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.KvTransferConfig.Sizes;
import java.util.Locale;
import java.util.Optional;

/**
 * Which parts in prefill/decode exchanges requests may ask a node for with {@code kv_transfer_params}. Pure.
 *
 * @param config {@code --kv-transfer-config}; empty on a node that takes part in none
 * @param metaservers whom a decode node may be told to call
 * @param peers whom tickets may name
 */
record HandoffAdmission(Optional<KvTransferConfig> config, MetaserverAllowList metaservers, HandoffPeers peers) {
    HandoffAdmission(Optional<KvTransferConfig> config, HandoffPeers peers) {
        this(config, new MetaserverAllowList(peers), peers);
    }

    /**
     * The part that a request asks for.
     *
     * @param prompts in the request
     * @param peerAddress that the request came from
     * @throws ApiError 400 when it cannot be played; the message says why
     */
    HandoffRole of(GenerationFields fields, int prompts, String peerAddress) {
        if (fields.kvTransferParams().isEmpty()) {
            return new HandoffRole.None();
        }
        HandoffRole asked;
        try {
            asked = HandoffParams.parse(fields.kvTransferParams().get());
        } catch (IllegalArgumentException e) {
            throw refused(String.valueOf(e.getMessage()));
        }
        requireRole(asked);
        requireForm(asked, fields, prompts);
        requireSizes(asked);
        return switch (asked) { // hosts and URLs are a client's input: only some are called
            case HandoffRole.Receive receive -> new HandoffRole.Receive(metaservers.require(receive, peerAddress));
            case HandoffRole.Fetch fetch -> new HandoffRole.Fetch(peers.require(fetch.ticket()));
            case HandoffRole.Push push -> new HandoffRole.Push(peers.require(push.target()));
            case HandoffRole.None none -> none;
            case HandoffRole.Lend lend -> lend;
        };
    }

    private void requireRole(HandoffRole asked) {
        Optional<Role> role = config.map(KvTransferConfig::role);
        boolean isAllowed = switch (asked) {
            case HandoffRole.None none -> true;
            case HandoffRole.Lend lend -> role.filter(r -> r != Role.CONSUMER).isPresent();
            case HandoffRole.Push push -> role.filter(r -> r != Role.CONSUMER).isPresent();
            case HandoffRole.Fetch fetch -> role.filter(r -> r != Role.PRODUCER).isPresent();
            case HandoffRole.Receive receive ->
                role.filter(r -> r != Role.PRODUCER).isPresent();
        };
        if (!isAllowed) {
            throw refused("kv_transfer_params asks for "
                    + asked.getClass().getSimpleName().toLowerCase(Locale.ROOT)
                    + ", but this node runs "
                    + role.map(r -> "with kv_role " + KvTransferConfig.word(r)).orElse("without --kv-transfer-config"));
        }
    }

    private static void requireForm(HandoffRole asked, GenerationFields fields, int prompts) {
        // Each prompt of a list has an id of its own under which a decode node can ask for it.
        boolean isSingle = (prompts == 1 || asked instanceof HandoffRole.Receive)
                && fields.output().choices() == 1;
        if (!(asked instanceof HandoffRole.None) && !isSingle) {
            throw refused("kv_transfer_params needs one prompt and n 1; this request has " + prompts + " prompts and n "
                    + fields.output().choices());
        }
        boolean isPrefill = asked instanceof HandoffRole.Lend || asked instanceof HandoffRole.Push;
        if (isPrefill && fields.output().stream().isPresent()) {
            throw refused("kv_transfer_params with do_remote_decode needs stream false: the answer comes whole");
        }
    }

    /** What the extra config says of the other side must be what the other side says of itself. */
    void requireSizes(HandoffRole asked) {
        switch (asked) {
            case HandoffRole.Fetch fetch ->
                requireSize(
                        fetch.ticket(),
                        "prefill",
                        config.flatMap(known -> known.expected().prefill()));
            case HandoffRole.Push push ->
                requireSize(
                        push.target(),
                        "decode",
                        config.flatMap(known -> known.expected().decode()));
            case HandoffRole.None none -> {}
            case HandoffRole.Lend lend -> {}
            case HandoffRole.Receive receive -> {}
        }
    }

    private static void requireSize(HandoffTicket peer, String side, Optional<Sizes> expected) {
        if (expected.isPresent() && peer.tpSize().isPresent()) {
            int said = peer.tpSize().getAsInt();
            if (said != expected.get().tp()) {
                throw refused(side + " has tp_size " + expected.get().tp()
                        + " in kv_connector_extra_config here, but the node " + peer.engineId() + " runs with tp_size "
                        + said + "; correct one of the two");
            }
        }
    }

    private static ApiError refused(String message) {
        return ApiError.badRequest(message, "kv_transfer_params");
    }
}
