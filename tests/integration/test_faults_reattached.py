"""What happens to a case, or to its waiting, after its host was lost and found again or is still away; with real hosts."""

import signal

import hosts
import pytest
from lab_fixtures import nothing_left
from run_fixtures import MEASURED

pytestmark = pytest.mark.docker

CALL_SECONDS = 1.0
"""So long that the guest still runs when its case is given up, on a busy machine, too; no test here waits for its end."""


def remove_container(host):
    with host.docker() as client:
        client.api.remove_container(host.containers()[0].lstrip("/"), force=True)


def check_crash(run, words):
    """The slow case crashed for the reason that is named, the second was measured."""
    [reason, *_] = run.case("slow")["reasons"]
    assert (run.status, reason["kind"], run.case("second")["status"] in MEASURED) == (1, "CRASH", True), run.output
    assert words in reason["message"]


def test_a_container_that_outlived_a_lost_link_and_is_killed_later_is_a_crash(far, running):
    host = running(CALL_SECONDS)
    host.run("pkill", "-f", "sshd: root@")  # all sessions
    hosts.eventually(lambda: "its container outlived that the host was lost" in far.log())
    with host.docker() as client:
        client.api.kill(host.containers()[0].lstrip("/"))
    run, _ = far.finish()
    check_crash(run, "its container was ended from outside")
    assert nothing_left(host)


@pytest.mark.parametrize("patience", [40, 2])
def test_a_container_that_is_removed_while_its_host_is_lost_is_a_crash(far, running, patience):
    host = running(CALL_SECONDS, RECONNECT_SECONDS=patience)
    host.cut()
    far.wait_for("waiting for it" if patience > 2 else "slow:pytorch_here: FAILED")
    remove_container(host)
    host.heal()
    run, _ = far.finish()
    check_crash(run, "its container was removed from outside")
    assert nothing_left(host)


def test_ctrl_c_while_a_lost_host_is_waited_for_ends_the_waiting(far, running):
    host = running(CALL_SECONDS, RECONNECT_SECONDS=300)
    host.cut()
    far.wait_for("slow:pytorch_here: lost; waiting for it, 300 s at most")
    far.process.send_signal(signal.SIGINT)
    run, seconds = far.finish()
    assert (run.status, seconds < 15) == (130, True), run.output
    assert [run.case(name)["reasons"][0]["kind"] for name in ("slow", "second")] == ["INTERRUPTED"] * 2
    assert (far.project.results / "latest/report.html").exists()
    host.heal()
    hosts.eventually(lambda: not any("Holds a host's lock" in process for process in host.processes()))
    assert far.project.run("clean").status == 0
    assert nothing_left(host)
