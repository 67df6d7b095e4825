/** The command line. */
package dev.tandem.cli;
