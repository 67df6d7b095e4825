package dev.tandem.gateway.protocol;

import java.time.Duration;

/**
 * What decides about a request beside its nodes.
 *
 * @param localPrefill what happens when disaggregation fails
 * @param clientKvParamsAllowed whether {@code kv_transfer_params} of clients are passed on; they are dropped otherwise
 * @param maxAttempts nodes that are asked for one leg; for decode never more than two
 * @param firstRetryDelay before the second attempt; doubles with each further one
 * @param maxReplyBytes largest answer that is collected in one piece
 */
public record ExchangeSettings(
        LocalPrefillPolicy localPrefill,
        boolean clientKvParamsAllowed,
        int maxAttempts,
        Duration firstRetryDelay,
        int maxReplyBytes) {}
