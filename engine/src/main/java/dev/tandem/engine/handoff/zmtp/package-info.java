/**
 * ZeroMQ's wire protocol (ZMTP 3.0 and 3.1, mechanism NULL) for the socket types of the side channel, with a bound on everything that a
 * peer can make this process keep. Entry: {@link dev.tandem.engine.handoff.zmtp.ZmtpPoller}, which belongs to one thread, with all that it
 * makes; {@link dev.tandem.engine.handoff.zmtp.ZmtpReader} and {@link dev.tandem.engine.handoff.zmtp.ZmtpFrames} are pure.
 */
package dev.tandem.engine.handoff.zmtp;
