/**
 * Which bytes of which rank go where, between engines of any tensor-parallel sizes and block sizes. Pure; any thread. Entry: {@link
 * dev.tandem.engine.handoff.plan.TransferPlan}; {@link dev.tandem.engine.handoff.plan.ReadPlan} and {@link
 * dev.tandem.engine.handoff.plan.PushPlan} say which transfers that makes.
 */
package dev.tandem.engine.handoff.plan;
