/**
 * Tests that start the real processes: nodes, gateways and commands, as a user would. {@code mvn verify} runs them, {@code mvn test} does
 * not. {@link dev.tandem.systemtest.process} starts and asks processes; {@link dev.tandem.systemtest.guide} reads the deployment guides
 * and holds the tests that need their text only, which {@code mvn test} runs too.
 */
package dev.tandem.systemtest;
