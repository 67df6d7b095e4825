/** Measurements and experiments; not shipped. */
package dev.tandem.bench;
