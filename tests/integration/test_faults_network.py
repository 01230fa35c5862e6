"""The network between run.py and a host is cut at several moments, and heals soon, late or never; with real hosts."""

import re
import threading

import hosts
import pytest
from lab_fixtures import nothing_left
from run_fixtures import MEASURED
from ssh_fixtures import behind_a_relay

pytestmark = pytest.mark.docker

SLOW = """
import time
self.calls = getattr(self, "calls", 0) + 1
print("call number", self.calls, flush=True)
time.sleep(0.1)
return inputs, 0.0
"""
"""Some eighty queries: the guest takes about ten seconds."""

BRIEF = "import time\ntime.sleep(0.02)\nreturn inputs, 0.0"


NOTICE_SECONDS = 15


def cut(host, seconds):
    host.cut()
    threading.Timer(seconds, host.heal).start()


def locked(host):
    return any("Holds a host's lock" in process for process in host.processes())


def reach(far, host, moment):
    """Let a run come to a moment."""
    if moment != "collecting":
        far.start(moment)
        return
    far.start("step f")
    linger(host)
    far.wait_for(moment)


def linger(host):
    """Let collecting last some seconds, as a monitor does not listen."""
    host.run("pkill", "-STOP", "-f", "sys_monitor")


def lost_lines(far, host, rank=0):
    """How many lines of the guest's are missing, or there twice, in what was kept of its output."""
    folder = far.project.results / "latest" / "slow:pytorch_here" / f"{host.address}_noderank{rank}"
    calls = [int(number) for number in re.findall(r"call number (\d+)", (folder / "stdout_err.out.log").read_text())]
    assert len(calls) >= 70
    return sum(call != place for place, call in enumerate(calls, 1))


@pytest.mark.parametrize("seconds", [2, 30])
def test_a_guest_goes_on_while_the_network_is_cut_or_sshd_hangs_and_no_line_of_it_is_lost(far, lab_hosts, tmp_path, seconds):
    one, other = lab_hosts
    behind_a_relay(tmp_path, one.address, one.address)  # whose TCP connection says nothing of a cut
    far.project.environment["HOME"] = str(tmp_path)
    far.write(far.case("slow", call=SLOW))
    far.start(f"{one.address}  1/1 slow:pytorch_here: step f")
    cut(one, seconds)
    if seconds > NOTICE_SECONDS:
        other.run("pkill", "-STOP", "-f", "sshd[^ ]*: root@")
        noticed = [f"{host.address}: nothing was heard of it" for host in lab_hosts]
        hosts.eventually(lambda: all(words in far.log() for words in noticed), NOTICE_SECONDS)
        hosts.eventually(lambda: not locked(one), 30)  # it frees itself while it is cut
        hosts.eventually(lambda: locked(one), 60)
    run, _ = far.finish()
    assert run.status == 0, run.output
    assert {run.case("slow", host.address)["status"] for host in lab_hosts} <= set(MEASURED)
    assert lost_lines(far, one) == lost_lines(far, other, 1) == 0
    if seconds > NOTICE_SECONDS:
        assert all(re.search(f"{host.address}: back after", far.log()) for host in lab_hosts)
    assert all(nothing_left(host) for host in lab_hosts)


@pytest.mark.parametrize("seconds", [2, 30])
def test_a_cut_while_an_image_is_built_or_results_are_collected_costs_nothing_but_time(far, lab_hosts, seconds):
    building, collecting = lab_hosts
    build = far.project.folder / "docker_images/cpu/pytorch_here/Dockerfile"
    build.write_text(build.read_text().replace("RUN echo built", f"RUN sleep 3; echo built {seconds}"))
    far.write(far.case("quick", call=BRIEF))
    far.start(f"{building.address}  1/1 quick:pytorch_here: image: Step 4")
    cut(building, seconds)
    far.wait_for(f"{collecting.address}  1/1 quick:pytorch_here: step f")
    linger(collecting)
    far.wait_for(f"{collecting.address}  1/1 quick:pytorch_here: collecting")
    cut(collecting, seconds)
    run, _ = far.finish()
    assert run.status == 0, run.output
    for host in lab_hosts:
        assert run.case("quick", host.address)["status"] in MEASURED
        assert (f"{host.address}: back after" in far.log()) == (seconds > NOTICE_SECONDS)
        assert nothing_left(host)


@pytest.mark.parametrize("moment", ["step f", "collecting"])
def test_what_a_lost_host_finished_meanwhile_is_taken_up_before_the_next_case(far, lab_hosts, moment):
    one, _ = lab_hosts
    far.write(far.case("slow", call=SLOW), far.case("second"), hosts=[one], RECONNECT_SECONDS=6)
    reach(far, one, moment)
    one.cut()
    far.wait_for("slow:pytorch_here: FAILED")
    one.heal()
    run, _ = far.finish()
    assert run.status == 0, run.output
    assert {run.case(name)["status"] for name in ("slow", "second")} <= set(MEASURED)
    assert "slow:pytorch_here was taken up again" in run.output
    assert lost_lines(far, one) == 0
    assert nothing_left(one)


@pytest.mark.parametrize("moment", ["image: Step 4", "collecting"])
def test_a_run_whose_host_came_back_too_late_is_resumed(far, lab_hosts, moment):
    one, _ = lab_hosts
    build = far.project.folder / "docker_images/cpu/pytorch_here/Dockerfile"
    build.write_text(build.read_text().replace("RUN echo built", "RUN sleep 3; echo late"))
    far.write(far.case("quick", call=BRIEF), hosts=[one], RECONNECT_SECONDS=3)
    reach(far, one, moment)
    one.cut()
    run, _ = far.finish()
    [reason, *_] = run.case("quick")["reasons"]
    assert (run.status, reason["kind"]) == (3, "HOST_LOST"), run.output
    assert "`run.py run --resume` goes on" in reason["message"]
    one.heal()
    resumed = far.project.run("run", "--resume")
    assert (resumed.status, resumed.case("quick")["status"] in MEASURED) == (0, True), resumed.output
    assert nothing_left(one)


def test_a_host_that_stays_away_is_lost_and_then_set_aside_and_the_others_go_on(far, lab_hosts):
    one, other = lab_hosts
    far.write(far.case("slow", call=SLOW), far.case("second"), far.case("third"), RECONNECT_SECONDS=3)
    far.start(f"{one.address}  1/3 slow:pytorch_here: step f")
    one.cut()
    run, seconds = far.finish()
    lost = [run.case(name, one.address)["reasons"][0] for name in ("slow", "second", "third")]
    assert [reason["kind"] for reason in lost] == ["HOST_LOST"] * 3, run.output
    assert "did not come back within 3 s (RECONNECT_SECONDS)" in lost[0]["message"]
    assert "was set aside, as it was lost twice" in lost[2]["message"]
    assert {run.case(name, other.address)["status"] for name in ("slow", "second", "third")} <= set(MEASURED)
    assert (run.status, seconds < 150) == (1, True)
    one.heal()
    far.project.run("clean")
    assert all(nothing_left(host) for host in lab_hosts)
