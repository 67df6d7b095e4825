package dev.tandem.gateway;

import dev.tandem.gateway.fleet.ProbeSchedule;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import dev.tandem.trust.PeerTrust;

/**
 * What the operator decides.
 *
 * @param shape which node is called first
 * @param localPrefill what happens to a request whose disaggregation fails
 * @param clientKvParamsAllowed whether clients may send {@code kv_transfer_params}; dropped otherwise
 * @param probes how often nodes are asked for their health
 * @param trust which decode nodes may post to the metaserver
 */
public record GatewayPolicies(
        PdShape shape,
        LocalPrefillPolicy localPrefill,
        boolean clientKvParamsAllowed,
        ProbeSchedule probes,
        PeerTrust trust) {
    /** Without a cluster secret. */
    public GatewayPolicies(
            PdShape shape, LocalPrefillPolicy localPrefill, boolean clientKvParamsAllowed, ProbeSchedule probes) {
        this(shape, localPrefill, clientKvParamsAllowed, probes, PeerTrust.everybody());
    }

    /** Prefill first; local prefill is allowed, clients' parameters are not. */
    public static final GatewayPolicies DEFAULT =
            new GatewayPolicies(new PdShape.PrefillFirst(), LocalPrefillPolicy.ALLOW, false, ProbeSchedule.DEFAULT);
}
