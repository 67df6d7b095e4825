/** The metrics page. */
package dev.tandem.api.metrics;
