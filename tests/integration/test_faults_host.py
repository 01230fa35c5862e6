"""A host's power, its Docker engine, its containers and its sshd fail under a run; with real hosts."""

import signal
import threading

import hosts
import pytest
from lab_fixtures import CONTAINER_OPTIONS, nothing_left
from run_fixtures import MEASURED

pytestmark = pytest.mark.docker


def statuses(run):
    return [run.case(name)["status"] in MEASURED for name in ("slow", "second")]


def reason(run, case="slow"):
    [found, *_] = run.case(case)["reasons"]
    return found["kind"], found["message"]


def test_power_loss_costs_the_case_that_ran_and_no_other(far, running):
    host = running()
    host.kill()
    threading.Timer(3, host.start).start()
    run, _ = far.finish()
    kind, message = reason(run)
    assert (run.status, kind, statuses(run)) == (1, "HOST_LOST", [False, True]), run.output
    assert "the host was lost, and its container did not outlive that" in message
    assert nothing_left(host)


def test_a_case_that_a_power_loss_ended_is_run_anew_when_the_run_is_resumed(far, running):
    host = running(RECONNECT_SECONDS=2)
    host.kill()
    run, _ = far.finish()
    assert (run.status, statuses(run)) == (3, [False, False]), run.output
    host.start()
    resumed = far.project.run("run", "--resume")
    assert (resumed.status, statuses(resumed)) == (0, [True, True]), resumed.output
    assert nothing_left(host)


def test_a_run_that_is_killed_is_resumed_with_the_containers_of_another_host(far, running, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    far.project.environment["TMPDIR"] = str(temporary)
    host = running()
    far.kill()
    resumed = far.project.run("run", "--resume")
    assert (resumed.status, statuses(resumed)) == (0, [True, True]), resumed.output
    assert any("taken up later" in note for note in resumed.case("slow")["notes"])
    assert nothing_left(host)
    assert list(temporary.iterdir()) == []


def test_a_second_ctrl_c_ends_at_once_and_clean_clears_the_other_host(far, running):
    host, process = running(), far.process
    process.send_signal(signal.SIGINT)
    far.wait_for("interrupted: ending what goes on")
    process.send_signal(signal.SIGINT)
    assert (process.wait(60), far.project.latest_report()) == (130, None)
    assert far.project.run("clean").status == 0
    assert nothing_left(host)


def test_an_engine_that_is_restarted_ends_its_containers_and_the_message_says_how_to_keep_them(far, running):
    host = running()
    host.kill_engine()
    host.start_engine()
    run, _ = far.finish()
    kind, message = reason(run)
    assert (run.status, kind, statuses(run)) == (1, "HOST_LOST", [False, True]), run.output
    assert '"live-restore": true' in message
    assert nothing_left(host)


def test_with_live_restore_a_restarted_engine_costs_nothing(far, lab_hosts, running):
    lab_hosts[0].restart_engine("--live-restore")
    host = running()
    host.kill_engine()
    host.start_engine()
    run, _ = far.finish()
    assert (run.status, statuses(run)) == (0, [True, True]), run.output
    assert nothing_left(host)


def test_an_engine_that_hangs_for_a_while_costs_nothing(far, running):
    host = running()
    host.freeze_engine()
    threading.Timer(15, host.thaw_engine).start()
    run, _ = far.finish()
    assert (run.status, statuses(run)) == (0, [True, True]), run.output
    assert nothing_left(host)


def build(far, host, seconds, **keys):
    """Start a run on one host, up to where its image is built in a container, which takes so long; return run.py's process."""
    text = f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN sleep {seconds}\n"
    far.project.write("docker_images/cpu/pytorch_here/Dockerfile", text)
    far.write(far.case("slow"), far.case("second"), hosts=[host], **keys)
    process = far.start("image: Step 4")
    hosts.eventually(lambda: far.log().rpartition("Step 4")[2].count("Running in"))
    return process


def test_an_engine_that_is_killed_while_it_builds_costs_nothing_but_time(far, lab_hosts):
    [host, _] = lab_hosts
    build(far, host, 4)
    host.kill_engine()
    host.start_engine()
    run, _ = far.finish()
    assert (run.status, statuses(run)) == (0, [True, True]), run.output
    assert nothing_left(host)
    with host.docker() as client:
        assert client.containers.list(all=True) == []


def test_an_engine_that_hangs_while_it_builds_costs_nothing_but_time(far, lab_hosts):
    [host, _] = lab_hosts
    build(far, host, 2)
    host.freeze_engine()
    threading.Timer(10, host.thaw_engine).start()
    run, _ = far.finish()
    assert (run.status, statuses(run)) == (0, [True, True]), run.output
    assert nothing_left(host)


def test_an_engine_that_hangs_for_good_while_it_builds_is_lost_and_ctrl_c_need_not_wait_for_that(far, lab_hosts):
    [host, _] = lab_hosts
    stream = far.project.folder / "utils/runtime/engine_stream.py"
    stream.write_text(
        stream.read_text().replace("PULSE_SECONDS, PULSES_MISSED = 20.0, 3", "PULSE_SECONDS, PULSES_MISSED = 1.0, 1")
    )
    process = build(far, host, 60, RECONNECT_SECONDS=200)
    host.freeze_engine()
    far.wait_for("slow:pytorch_here: lost; waiting for it, 200 s at most (RECONNECT_SECONDS)")
    process.send_signal(signal.SIGINT)
    run, seconds = far.finish()
    assert (run.status, seconds < 100) == (130, True), run.output
    host.thaw_engine()
    assert nothing_left(host)


def test_an_engine_that_hangs_for_good_costs_no_number_that_was_measured(far, running):
    engine = far.project.folder / "utils/connection/engine.py"
    engine.write_text(engine.read_text().replace("ENGINE_SECONDS = 60", "ENGINE_SECONDS = 12"))
    host = running(RECONNECT_SECONDS=2)
    host.freeze_engine()
    run, seconds = far.finish()
    kind, message = reason(run, "second")
    assert (run.status, kind, statuses(run)) == (1, "HOST_LOST", [True, False]), run.output
    assert "systemctl restart docker" in message
    assert any("could not be removed" in note for note in run.case("slow")["notes"])
    assert seconds < 200
    host.thaw_engine()
    far.project.run("clean")
    assert nothing_left(host)


def test_a_container_that_somebody_removes_is_a_crash_of_that_case_only(far, running):
    host = running()
    with host.docker() as client:
        client.api.remove_container(host.containers()[0].lstrip("/"), force=True)
    run, _ = far.finish()
    kind, message = reason(run)
    assert (run.status, kind, statuses(run)) == (1, "CRASH", [False, True]), run.output
    assert "its container was removed from outside" in message
    assert nothing_left(host)


def test_monitors_that_die_or_hang_are_notes(far, running):
    host = running()
    host.run("pkill", "-KILL", "-f", "sys_monitor")
    host.run("pkill", "-STOP", "-f", "cpu_monitor")
    run, _ = far.finish()
    assert (run.status, statuses(run)) == (0, [True, True]), run.output
    notes = run.case("slow")["notes"]
    said = [
        "the sys monitor on {}: it ended before the case did",
        "the cpu monitor on {}: stopping it failed: the cpu monitor: it hung",
    ]
    assert all(any(words.format(host.address) in note for note in notes) for words in said), notes
    assert nothing_left(host)


def test_an_image_s_build_that_is_killed_is_that_cases_failure_only(far, lab_hosts):
    [host, _] = lab_hosts
    far.project.write("docker_images/cpu/pytorch_slow/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN sleep 60\n")
    far.write(far.case("slow", framework="pytorch_slow"), far.case("second"), hosts=[host])
    far.start("image: Step 4")
    with host.docker() as client:
        hosts.eventually(client.containers.list)[0].kill()
    run, _ = far.finish()
    kind, message = reason(run)
    assert (run.status, kind, statuses(run)) == (1, "IMAGE", [False, True]), run.output
    assert "docker build of docker_images/cpu/pytorch_slow failed at step 4/5 (RUN sleep 60), exit 137" in message
    assert nothing_left(host)
    with host.docker() as client:
        assert client.containers.list(all=True) == []


@pytest.mark.parametrize("sessions", [2, 1])
def test_an_sshd_that_allows_few_sessions_is_logged_in_to_more_often(far, lab_hosts, sessions):
    [host, _] = lab_hosts
    host.restart(sessions=sessions)
    far.write(far.case("quick"), hosts=[host])
    run = far.run()
    assert (run.status, run.case("quick")["status"] in MEASURED) == (0, True), run.output
    assert nothing_left(host)


ENDS = {
    "raises": ("raise ValueError('no such kernel')", "CRASH", "no such kernel"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "CRASH", "signal 9 (SIGKILL)"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "CRASH", "signal 11 (SIGSEGV)"),
    "memory": ("held = bytearray(10**10)\nheld[::4096] = b'x' * len(held[::4096])", "OOM", "memory limit of 256 MiB"),
    "hangs": ("import time; time.sleep(600)", "TIMEOUT", "ran past 20 s"),
}


def test_how_a_guest_ended_is_told_apart(far, lab_hosts):
    host = lab_hosts[0]
    cases = [far.case(name, call=call) for name, (call, _, _) in ENDS.items()]
    far.write(*cases, hosts=[host], CASE_TIMEOUT=20, ACCE_CONTAINER_OPT=f"{CONTAINER_OPTIONS} -m 256m")
    run = far.run()
    for name, (_, kind, words) in ENDS.items():
        assert reason(run, name)[0] == kind, run.output
        assert words in reason(run, name)[1]
    for remedy in ("container.out.log", "stdout_err.out.log", "lower batch_size", "raise CASE_TIMEOUT"):
        assert remedy in run.output
    assert run.status == 1
    assert nothing_left(host)
