"""What a run says of its batch size, which is best, and the line of memory."""

from __future__ import annotations

import dataclasses
import random

import pytest
from record_factory import make_record

from morocco.estimate.results import NOT_RESOLVED, RESOLVED, Estimate, absent
from morocco.formats.record import Exit, RunRecord
from morocco.suite.model import Load
from morocco.tune.choose import choose, out_of_memory, own_fault
from morocco.tune.memory import memory_line
from morocco.tune.results import MEASURED, OUT_OF_MEMORY, BatchPoint

LIMIT = 2**30


def ended(code: int, stderr: str = "", codes=("exit_code",), cgroup_peak=None) -> RunRecord:
    record = make_record(1, 1.0, codes=codes, predictions=None)
    assert record.output and record.totals
    return dataclasses.replace(
        record,
        exit=Exit(code, False, False, None),
        output=dataclasses.replace(record.output, stderr_tail=stderr),
        totals=dataclasses.replace(record.totals, ram_cgroup_peak_bytes=cgroup_peak),
    )


# --- out of memory ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "error: out of GPU memory at --batch-size 512: CUDA out of memory",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "tensorflow.ResourceExhaustedError: RESOURCE_EXHAUSTED: OOM when allocating tensor",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 4000000000 bytes",
        "onnxruntime: Failed to allocate memory for requested buffer of size 1073741824",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 1 GiB\nMemoryError",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "OSError: [Errno 12] Cannot allocate memory",
        "HIP out of memory",
    ],
)
def test_frameworks_say_it_in_words(said):
    why = out_of_memory(ended(1, f"Traceback\n{said}\nsee above"), LIMIT)
    assert why is not None
    assert "exit status 1" in why
    assert why.removeprefix("exit status 1: ")[:40] in said


def test_words_alone_are_no_failure():
    record = make_record(1, 1.0)
    assert record.output
    output = dataclasses.replace(record.output, stderr_tail="CUDA out of memory, halving the batch")
    assert out_of_memory(dataclasses.replace(record, output=output), LIMIT) is None


def test_the_kernel_and_engines_that_do_not_report_it():
    assert out_of_memory(ended(137, codes=("oom_killed",)), LIMIT) is not None
    assert out_of_memory(ended(137, codes=("killed",), cgroup_peak=LIMIT), LIMIT) is not None
    assert out_of_memory(ended(137, codes=("killed",), cgroup_peak=LIMIT // 2), LIMIT) is None
    assert out_of_memory(ended(137, codes=("killed",)), LIMIT) is None


def test_other_failures_are_not_memory():
    record = ended(3, "ValueError: bad idx\nmemory usage is fine")
    assert out_of_memory(record, LIMIT) is None
    why = own_fault(record)
    assert why is not None
    assert "exit_code" in why
    assert "memory usage is fine" in why


def test_the_machines_doing_is_no_fault_of_the_model():
    assert own_fault(make_record(1, 1.0, codes=("foreign_load",))) is None
    assert own_fault(make_record(1, 1.0, codes=("killed",))) is None
    assert own_fault(make_record(1, 1.0)) is None


# --- choice -------------------------------------------------------------------------------------


def point(batch: int, value: float | None, half: float = 0.0, **changes) -> BatchPoint:
    status = RESOLVED if value is not None else NOT_RESOLVED
    rps = Estimate(
        value,
        None if value is None else value - half,
        None if value is None else value + half,
        "records/s",
        10,
        status,
        "",
        None if value is not None else "spread too wide",
    )
    none = absent("bytes", "none")
    made = BatchPoint(batch, MEASURED, 100 * batch, rps, none, none, none, 5, 0)
    return dataclasses.replace(made, **changes)


def unresolved(batch: int, low: float | None, high: float | None) -> BatchPoint:
    made = point(batch, None)
    return dataclasses.replace(made, rps=dataclasses.replace(made.rps, low=low, high=high))


def test_the_fastest_is_chosen():
    choice = choose([point(1, 100, 2), point(8, 300, 5), point(32, 250, 5)])
    assert choice.load == Load(800, 8)
    assert choice.ties == ()


def test_of_ties_the_smallest():
    choice = choose([point(1, 100, 2), point(8, 296, 5), point(32, 300, 5), point(128, 299, 5)])
    assert choice.load == Load(800, 8)
    assert choice.ties == (32, 128)
    assert "not told apart" in choice.reason


def test_a_tie_is_with_the_fastest_only():
    # 8 meets 32, 32 meets 128, but 8 does not meet the fastest
    choice = choose([point(8, 290, 4), point(32, 296, 4), point(128, 300, 4)])
    assert choice.load == Load(3200, 32)
    assert choice.ties == (128,)


def test_intervals_that_only_touch_are_a_tie():
    assert choose([point(1, 98, 1), point(8, 100, 1)]).load == Load(100, 1)
    assert choose([point(1, 97.9, 1), point(8, 100, 1)]).load == Load(800, 8)


def test_an_unresolved_rival_is_named():
    choice = choose([point(1, 100, 2), unresolved(8, 80, 400), unresolved(32, 10, 20)])
    assert choice.load == Load(100, 1)
    assert "may be faster: batch size 8" in choice.reason
    assert "32" not in choice.reason


def test_an_unresolved_rival_without_a_bound_is_named():
    assert (
        "may be faster: batch size 8" in choose([point(1, 100, 2), unresolved(8, 5, None)]).reason
    )


def test_nothing_resolved_is_no_choice():
    choice = choose([unresolved(1, 10, 400), unresolved(8, 80, None)])
    assert choice.load is None
    assert "not resolved" in choice.reason
    assert "1: spread too wide" in choice.reason


def test_nothing_measured_says_why():
    choice = choose([point(1, None, status=OUT_OF_MEMORY, reason="killed for memory")])
    assert choice.load is None
    assert "1: killed for memory" in choice.reason


# --- memory -------------------------------------------------------------------------------------


def test_an_exact_line_comes_back():
    line = memory_line("RAM", {b: [1000.0 + 7 * b] * 3 for b in (1, 8, 64)})
    assert line.fixed_bytes.value == pytest.approx(1000)
    assert line.bytes_per_item.value == pytest.approx(7)
    assert line.bytes_per_item.low == pytest.approx(7)
    assert line.bytes_per_item.n == 9


def test_intervals_cover_the_truth():
    noise = random.Random(5)
    hits = {"fixed": 0, "slope": 0}
    for _ in range(400):
        peaks = {}
        for batch in (1, 4, 16, 64, 256):
            off = noise.gauss(0, 20)  # batch sizes off the line, runs close together
            peaks[batch] = [500 + 3 * batch + off + noise.gauss(0, 0.1) for _ in range(5)]
        line = memory_line("RAM", peaks)
        hits["fixed"] += line.fixed_bytes.low <= 500 <= line.fixed_bytes.high
        hits["slope"] += line.bytes_per_item.low <= 3 <= line.bytes_per_item.high
    for count in hits.values():
        assert 0.91 <= count / 400 <= 0.98  # 95 % ± 3.6 standard errors


def test_the_spread_of_runs_counts_where_medians_lie_on_the_line():
    wild = memory_line("RAM", {b: [7 * b - 50.0, 7 * b, 7 * b + 50.0] for b in (1, 8, 64)})
    assert wild.bytes_per_item.value == pytest.approx(7)
    assert wild.bytes_per_item.high - wild.bytes_per_item.low > 1


def test_two_batch_sizes_do_not_resolve_a_line():
    line = memory_line("RAM", {1: [10.0, 11.0], 8: [20.0, 21.0], 32: []})
    assert line.fixed_bytes.status == line.bytes_per_item.status == NOT_RESOLVED
    assert line.fixed_bytes.value is None
    assert "needs three" in line.fixed_bytes.reason


def test_no_peaks_is_absent_with_its_reason():
    line = memory_line("GPU RAM", {}, "no GPU was used")
    assert line.fixed_bytes == absent("bytes", "no GPU was used", line.fixed_bytes.method)
    assert line.bytes_per_item.value is None
