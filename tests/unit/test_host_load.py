"""Whether others loaded the host, from the kernel's figures and from files written as the kernel does."""

import os

import pytest

from tools.host_load import Usage, load_doubts, memory_doubts, memory_left, memory_limit, usage


def at(wall=0.0, busy=0.0, stolen=0.0, own=0.0, waiting=0.0):
    return Usage(wall, busy, stolen, own, waiting)


def said(after, before=None):
    return [doubt.message for doubt in load_doubts(before or at(), after, processors=2)]


def test_a_process_that_is_alone_raises_no_doubt():
    assert said(at(wall=10.0, busy=19.0, own=18.6, waiting=2.0)) == []


def test_other_processes_are_seen_by_their_processor_time():
    assert said(at(wall=10.0, busy=15.0, own=10.0)) == [
        "other processes used 25.0 % of the processors' time; stop them, or take another host"
    ]


def test_stolen_time_is_told():
    (message,) = said(at(wall=10.0, stolen=1.0))
    assert message.startswith("the hypervisor took 5.0 %")


def test_waiting_for_a_processor_is_told_where_nobody_else_is_to_blame():
    (message,) = said(at(wall=10.0, busy=20.0, own=20.0, waiting=4.0))
    assert message.startswith("tasks waited for a processor 40 %")


def test_a_kernel_that_says_nothing_raises_no_doubt(tmp_path):
    assert usage(tmp_path) is None
    assert load_doubts(None, at(wall=1.0)) == []
    assert said(at(wall=10.0, busy=1.0, own=1.0, waiting=None)) == []


def test_usage_sums_this_process_and_its_children(tmp_path):
    (tmp_path / "stat").write_text("cpu  100 20 30 9000 50 1 2 70 40 0\ncpu0 1 2 3\n")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 total=0\n")
    for pid, parent in ((os.getpid(), 1), (900001, os.getpid()), (900002, 900001), (900003, 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text("{} (a (b) c) S {} {} 10 5 0 0\n".format(pid, parent, "0 " * 9))
    found, tick = usage(tmp_path), 1 / os.sysconf("SC_CLK_TCK")
    assert (found.busy, found.stolen, found.own) == pytest.approx((153 * tick, 70 * tick, 45 * tick))
    assert found.waiting == 2.5


def test_this_process_counts_as_its_own_on_the_real_kernel():
    before = usage()
    sum(number * number for number in range(3_000_000))
    assert usage().own > before.own


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("memory.max", "1048576\n", 1048576),
    ("memory/memory.limit_in_bytes", "2097152\n", 2097152),
])  # fmt: skip
def test_the_limit_is_the_containers(tmp_path, name, text, expected):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path) == expected


def test_without_a_limit_it_is_the_machines_memory(tmp_path):
    machine = memory_limit(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path) == machine > 2**28


@pytest.mark.parametrize(("limit", "use", "parts"), [
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
])  # fmt: skip
def test_what_is_left_is_the_limit_less_what_is_in_use_and_no_mere_cache(tmp_path, limit, use, parts):
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    for name, text in ((limit, "1000\n"), (use, "700\n"), (parts, "anon 600\nactive_file 60\ninactive_file 40\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "meminfo").write_text("MemTotal:       9 kB\nMemAvailable:   8 kB\n")
    assert memory_left(tmp_path, tmp_path) == 400


def test_what_is_left_without_a_limit_is_what_the_machine_has_available(tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_left(tmp_path, tmp_path) is None
    (tmp_path / "meminfo").write_text("MemTotal:       9 kB\nMemAvailable:   8 kB\n")
    assert memory_left(tmp_path, tmp_path) == 8192
    assert 2**24 < memory_left() <= memory_limit()


def test_a_peak_near_the_limit_is_a_doubt(tmp_path):
    (tmp_path / "memory.max").write_text(str(2**30))
    assert memory_doubts(int(0.94 * 2**30), tmp_path) == []
    assert memory_doubts(None, tmp_path) == []
    (doubt,) = memory_doubts(int(0.96 * 2**30), tmp_path)
    assert doubt.message == "memory peaked at 0.96 of 1.00 GiB, the limit; lower batch_size or raise the limit"
