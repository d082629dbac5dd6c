"""Cgroup counters of both versions, on trees of files as the kernel lays them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from morocco.sampling import cgroup
from morocco.sampling.cgroup import (
    CgroupLayout,
    CgroupParent,
    detect_layout,
    key_value,
    make_parent,
    remove_tree,
)

MIB = 2**20


def put(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def v2(tmp_path: Path) -> CgroupParent:
    """A unified tree with a run's parent and its container below."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    run = tmp_path / "morocco" / "run"
    files = {
        "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 3\n",
        "memory.stat": f"anon {300 * MIB}\nfile {20 * MIB}\nkernel_stack 16384\nshmem {5 * MIB}\n",
        "memory.peak": f"{400 * MIB}\n",
        "io.stat": "253:0 rbytes=4096 wbytes=1 rios=1\n8:0 rbytes=100 wbytes=0 rios=1\n",
        "box/cgroup.procs": "17\n19\n",
        "box/cpu.stat": "usage_usec 1\nthrottled_usec 250000\n",
    }
    for name, text in files.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    layout = detect_layout(tmp_path)
    assert layout == CgroupLayout(2, {"": tmp_path}, (tmp_path,))
    return CgroupParent(layout, "/morocco/run", True, {"": run})


@pytest.fixture
def v1(tmp_path: Path) -> CgroupParent:
    """A hierarchy a controller, with a run's parent and its container below."""
    files = {
        "cpuacct": {
            "cpuacct.usage": "2500000000\n",
            "cpuacct.usage_user": "2400000000\n",
            "cpuacct.usage_sys": "600000000\n",
        },
        "cpu": {"box/cpu.stat": "nr_periods 4\nthrottled_time 250000000\n"},
        "memory": {
            # `rss` is the parent's own, which holds no process: the totals are below it.
            "memory.stat": f"cache 9\nrss 0\ntotal_cache 9\ntotal_rss {300 * MIB}\n"
            f"total_shmem {5 * MIB}\n",
            "memory.max_usage_in_bytes": f"{400 * MIB}\n",
            "box/cgroup.procs": "17\n19\n",
        },
        "blkio": {
            "blkio.throttle.io_service_bytes_recursive": "253:0 Read 4096\n253:0 Write 1\n"
            "8:0 Read 100\nTotal 4197\n"
        },
        "pids": {},
    }
    folders = {}
    for controller, texts in files.items():
        folders[controller] = tmp_path / controller / "morocco" / "run"
        folders[controller].mkdir(parents=True)
        for name, text in texts.items():
            (folders[controller] / name).parent.mkdir(exist_ok=True)
            (folders[controller] / name).write_text(text)
    layout = detect_layout(tmp_path)
    assert layout is not None
    assert layout.version == 1
    assert set(layout.mounts) == set(files)
    return CgroupParent(layout, "/morocco/run", True, folders)


@pytest.fixture(params=["v1", "v2"])
def parent(request: pytest.FixtureRequest) -> CgroupParent:
    return request.getfixturevalue(request.param)


def test_counters_have_one_meaning_on_both_versions(parent):
    assert parent.cpu_seconds() == 2.5
    assert parent.cpu_user_system_seconds() == pytest.approx((2.0, 0.5))
    assert parent.anon_bytes() == 300 * MIB
    assert parent.shmem_bytes() == 5 * MIB
    assert parent.memory_peak_bytes() == 400 * MIB
    assert parent.read_bytes() == 4196
    assert parent.throttled_seconds() == 0.25
    assert parent.pids() == {17, 19}


def test_open_files_follow_the_counter(v1):
    assert v1.cpu_seconds() == 2.5
    (v1.folders["cpuacct"] / "cpuacct.usage").write_text("3000000000\n")
    assert v1.cpu_seconds() == 3.0
    v1.close()


def test_no_hierarchy_keeps_a_cgroup(v1, tmp_path):
    """Docker makes a run's parent in those too that nothing is read from."""
    others = [tmp_path / name / "morocco/run" for name in ("devices", "systemd", "unified")]
    for folder in others:
        (folder / "container").mkdir(parents=True)
    parent = CgroupParent(detect_layout(tmp_path), v1.path, True, v1.folders)
    parent.close()
    assert not any(folder.exists() for folder in others)
    assert (tmp_path / "devices/morocco").exists()  # other runs' may be below


def test_a_shared_parent_gives_differences_and_no_peaks(parent):
    shared = CgroupParent(parent.layout, parent.path, False, parent.folders)
    shared.begin()
    assert shared.cpu_seconds() == 0.0
    if parent.layout.version == 2:
        (parent.folders[""] / "cpu.stat").write_text("usage_usec 2600000\n")
    else:
        (parent.folders["cpuacct"] / "cpuacct.usage").write_text("2600000000\n")
    assert shared.cpu_seconds() == pytest.approx(0.1)
    # Others ran below it before: neither its peak nor its I/O is this run's.
    assert shared.memory_peak_bytes() is None
    assert shared.read_bytes() is None
    assert shared.cpu_user_system_seconds() == (None, None)


def test_what_the_kernel_does_not_offer_is_none_not_zero(parent):
    for folder in parent.folders.values():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    assert parent.cpu_seconds() is None
    assert parent.anon_bytes() is None
    assert parent.memory_peak_bytes() is None
    assert parent.throttled_seconds() is None
    assert parent.pids() == frozenset()


def test_an_older_kernel_without_memory_peak(v2):
    (v2.folders[""] / "memory.peak").unlink()
    assert v2.memory_peak_bytes() is None
    assert v2.anon_bytes() == 300 * MIB


def test_a_parent_is_made_with_its_controllers_on(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "morocco").mkdir()
    (tmp_path / "morocco" / "cgroup.controllers").write_text("cpu memory\n")
    made = make_parent("1_1_01-7-9", root=tmp_path)
    assert made is not None
    assert made.owned
    assert made.path == "/morocco/1_1_01-7-9"
    assert made.folders == {"": tmp_path / "morocco/1_1_01-7-9"}
    # The kernel takes one change a write; a plain file keeps the last.
    assert (tmp_path / "morocco/cgroup.subtree_control").read_text() == "+memory"


def test_names_under_systemd_are_slices(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("")
    made = make_parent("1_1_01-7-9", systemd=True, root=tmp_path)
    assert made is not None
    # A dash in a slice's name nests it: there is but one.
    assert made.path == "morocco-1_1_0179.slice"
    assert made.folders[""] == tmp_path / "morocco.slice/morocco-1_1_0179.slice"


def test_without_the_right_to_make_one_the_parent_is_shared(tmp_path, monkeypatch):
    for name in ("cpuacct", "memory"):
        (tmp_path / name).mkdir()

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(cgroup.Path, "mkdir", refuse)
    made = make_parent("1_1_01-7-9", root=tmp_path)
    assert made is not None
    assert not made.owned
    assert made.path == "/morocco"
    assert made.memory_peak_bytes() is None


def test_neither_version(tmp_path):
    assert detect_layout(tmp_path) is None
    assert make_parent("x", root=tmp_path) is None


def test_hybrid_machines_count_by_version_1(tmp_path):
    """systemd mounts v2 below /unified beside v1's controllers; those have the counters."""
    for name in ("cpuacct", "memory", "unified"):
        (tmp_path / name).mkdir()
    (tmp_path / "unified/cgroup.controllers").write_text("")
    layout = detect_layout(tmp_path)
    assert layout is not None
    assert layout.version == 1


def test_removal_takes_empty_ones_only(tmp_path):
    (tmp_path / "run/box/inner").mkdir(parents=True)
    (tmp_path / "used").mkdir()
    (tmp_path / "used/held").write_text("")
    remove_tree([tmp_path / "run", tmp_path / "used", tmp_path / "never"])
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "used").exists()


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("anon 1\nanon_thp 2\n", "anon", 1),
        ("anon 1\nanon_thp 2\n", "anon_thp", 2),
        ("xanon 1\nanon 7", "anon", 7),
        ("xanon 1\n", "anon", None),
        ("", "anon", None),
        (None, "anon", None),
    ],
)
def test_key_value(text, key, value):
    assert key_value(text, key) == value
