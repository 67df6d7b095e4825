/**
 * What the deployment guides ask Ascend's {@code hccn_tool} and {@code npu-smi}, device by device. Entry: {@link
 * dev.tandem.preflight.npu.NpuCheck}. Programs run in parallel up to a bound, each under a time limit.
 */
@NullMarked
package dev.tandem.preflight.npu;

import org.jspecify.annotations.NullMarked;
