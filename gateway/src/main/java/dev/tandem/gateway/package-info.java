/** One address for clients before prefill and decode nodes. */
package dev.tandem.gateway;
