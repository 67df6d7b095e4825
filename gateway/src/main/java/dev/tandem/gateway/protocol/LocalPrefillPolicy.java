package dev.tandem.gateway.protocol;

/** What happens to a request that should have been disaggregated and could not be. */
public enum LocalPrefillPolicy {
    /** The decode node computes the prompt itself; counted, logged and said in the response. */
    ALLOW,
    /** The client gets an error. */
    REFUSE
}
