"""Disks that are full: a host's, for the code and for results, and one in the container; with real hosts."""

from contextlib import contextmanager

import hosts
import pytest
import services
from lab_fixtures import CONTAINER_OPTIONS, nothing_left
from run_fixtures import MEASURED

pytestmark = pytest.mark.docker

FULL = "with open('/scratch/file', 'wb') as file:\n    file.write(bytes(2**21))"


@contextmanager
def small_disk(host, folder, size):
    """Let a folder of the host be a disk of so many bytes."""
    host.run("mkdir", "-p", folder)
    host.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        host.run("umount", folder)


@pytest.mark.parametrize(
    ("folder", "size", "kind", "said"),
    [
        ("code", "64k", "HOST_LOST", "nothing can be written to"),
        ("code/result", "24k", "CRASH", "No space left on device"),
    ],
)
def test_a_full_disk_on_one_host_costs_the_other_nothing(far, lab, lab_hosts, folder, size, kind, said):
    one, other = lab_hosts
    far.write(far.case("toy"))
    with small_disk(one, lab.there / folder, size):
        run = far.run()
        [reason, *_] = run.case("toy", one.address)["reasons"]
        print(run.output)
    assert (run.status, reason["kind"]) == (1, kind), run.output
    assert said in reason["message"]
    assert run.case("toy", other.address)["status"] in MEASURED
    assert all(nothing_left(host) for host in lab_hosts)


BIG = "import pathlib\npathlib.Path(config.log_dir, 'big').write_bytes(bytes(5 * 10**6))"


def test_a_disk_too_full_to_collect_leaves_the_results_on_the_host_until_there_is_room(far, lab_hosts):
    [host, _] = lab_hosts
    results = far.project.folder / "result"
    far.write(far.case("big", compile=BIG), hosts=[host])
    services.afterwards("umount", "--lazy", results)
    hosts.command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", results)
    try:
        run = far.run()
        said = " ".join(run.output.split())
        assert "No space left on device; free some space, then `run.py run --resume` collects it" in said, said
        assert (run.status, "the report cannot be written" in said) == (1, True)
        hosts.command("mount", "-o", "remount,size=50m", results)
        resumed = far.project.run("run", "--resume")
        assert (resumed.status, resumed.case("big")["status"] in MEASURED) == (0, True), resumed.output
        assert "taken up later: its guest went on while no run.py looked after it" in resumed.case("big")["notes"]
    finally:
        hosts.command("umount", results)
    assert nothing_left(host)


def test_a_full_disk_in_the_container_is_that_cases_crash(far, lab_hosts):
    [host, _] = lab_hosts
    options = f"{CONTAINER_OPTIONS} --tmpfs /scratch:size=1m"
    far.write(far.case("full", compile=FULL), far.case("second"), hosts=[host], ACCE_CONTAINER_OPT=options)
    run = far.run()
    [reason, *_] = run.case("full")["reasons"]
    assert (run.status, reason["kind"], run.case("second")["status"] in MEASURED) == (1, "CRASH", True), run.output
    assert "No space left on device" in reason["message"]
    assert nothing_left(host)
