"""Is a run valid? Every reason it is not, from what was seen of its exit, output and machine."""

from __future__ import annotations

from collections.abc import Sequence

from morocco.formats.record import Exit, Noise, Reason, Sampling, Verdict
from morocco.sampling.noise import judge
from morocco.suite.model import Limits, NoiseBounds

# A wall clock that moved against the monotonic one by more than this during a run was stepped.
CLOCK_STEP_SECONDS = 0.05
# A sampler held up this long in the middle of a run may have missed a peak; on a busy machine
# single gaps of 50 to 100 ms are usual and harmless.
SAMPLING_GAP_SECONDS = 2.0


def judge_exit(exit: Exit, limits: Limits, timeout_seconds: float) -> list[Reason]:
    """Reasons from the way the container ended."""
    if exit.error and exit.code is None:
        return [Reason("start_failed", exit.error.strip())]
    if exit.timed_out:
        return [Reason("timeout", f"still running after {timeout_seconds:g} s, killed")]
    if exit.killed_by_harness == "output_limit":
        bound = f"stdout {limits.stdout} bytes, stderr {limits.stderr} bytes"
        return [Reason("output_limit", f"wrote more than the bound ({bound}), killed")]
    if exit.oom_killed:
        return [Reason("oom_killed", f"passed the memory limit of {limits.memory} bytes")]
    if exit.code == 137:
        return [Reason("killed", "SIGKILL from outside the harness (exit 137, not for memory)")]
    if exit.code is not None and exit.code > 128:
        return [Reason("exit_code", f"exit status {exit.code} (signal {exit.code - 128})")]
    if exit.code:
        return [Reason("exit_code", f"exit status {exit.code}")]
    return []


def judge_machine(
    noise: Noise | None, bounds: NoiseBounds, step_seconds: float, sampling: Sampling | None
) -> list[Reason]:
    """Reasons from what the machine did meanwhile."""
    reasons = judge(noise, bounds) if noise else []
    if abs(step_seconds) > CLOCK_STEP_SECONDS:
        reasons.append(Reason("clock_stepped", f"the wall clock moved by {step_seconds:+.3f} s"))
    if sampling and sampling.longest_gap_seconds > SAMPLING_GAP_SECONDS:
        gap = sampling.longest_gap_seconds
        reasons.append(Reason("sampling_gap", f"no sample for {gap:.2f} s"))
    return reasons


def verdict(*groups: Sequence[Reason]) -> Verdict:
    """Valid without a reason."""
    reasons = tuple(reason for group in groups for reason in group)
    return Verdict(valid=not reasons, reasons=reasons)
