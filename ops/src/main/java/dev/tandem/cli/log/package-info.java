/**
 * How a process writes its log: one line per event whatever a message holds, a bounded number of lines of each kind, and never a thread that
 * waits for whoever reads them. Entry: {@link dev.tandem.cli.log.LogQueue}, named in {@code logback.xml}.
 */
package dev.tandem.cli.log;
