import pytest

from tools.errors import HostError
from utils.connection.base import Completed
from utils.monitoring.supervise import monitors, stop_all


class FakeHost:
    """A host whose answers are a table: (program's last name or monitor, operation) -> status, output."""

    host, is_local, python = "node1", False, "python3"

    def __init__(self, **answers):
        self.answers, self.commands, self.env, self.stdin = answers, [], [], b""

    def run(self, argv, *, timeout, env=None, stdin=b""):
        name = argv[argv.index("-o") + 1] if "-o" in argv else argv[0]
        monitor = "sys" if any("sys_monitor" in word for word in argv) else "x"
        self.commands.append((monitor, name))
        self.env.append(env)
        self.stdin = stdin
        answer = self.answers.get(f"{monitor}_{name}", (0, ""))
        if isinstance(answer, BaseException):
            raise answer
        return Completed(tuple(argv), answer[0], answer[1], answer[1])


def supervise(host):
    with monitors(host, "/code", "x", "/logs", 0.25) as supervised:
        host.commands.append("case")
    return supervised.notes


def test_both_monitors_run_around_the_case_and_are_stopped():
    host = FakeHost()
    assert supervise(host) == []
    assert host.commands[:3] == [("sys", "start"), ("x", "start"), "case"]
    assert {("sys", "stop"), ("x", "stop")} <= set(host.commands[3:])


def test_the_interval_travels_in_the_environment():
    host = FakeHost()
    supervise(host)
    assert host.env[0] == {"ACCELMARK_MONITOR_INTERVAL": "0.25"}


def test_a_vendor_without_a_monitor_is_a_note():
    notes = supervise(FakeHost(x_start=(2, "can't open file"), x_test=(1, "")))
    assert notes == [
        "the x monitor on node1: there is none (/code/docker_images/x/x_monitor.py does not exist), so there are no readings"
    ]


def test_a_monitor_that_does_not_start_is_a_note_with_its_last_line():
    notes = supervise(FakeHost(x_start=(1, "Traceback\nModuleNotFoundError: No module named 'schedule'\n")))
    assert notes == ["the x monitor on node1: it did not start: ModuleNotFoundError: No module named 'schedule'"]


def test_a_monitor_that_did_not_start_is_not_stopped():
    host = FakeHost(x_start=(1, ""))
    supervise(host)
    assert ("x", "stop") not in host.commands


def test_a_monitor_that_died_is_a_note():
    assert supervise(FakeHost(x_status=(3, ""))) == [
        "the x monitor on node1: it ended before the case did; its readings stop early"
    ]


def test_a_log_without_readings_is_a_note():
    assert supervise(FakeHost(x_grep=(1, ""))) == ["the x monitor on node1: it left no readings in /logs/x_monitor.log"]


def test_a_lost_host_is_a_note_and_never_hides_the_case_s_error():
    host = FakeHost(**{f"{monitor}_{name}": HostError("gone") for monitor in ("sys", "x") for name in ("status", "stop", "grep")})
    with pytest.raises(ZeroDivisionError), monitors(host, "/code", "x", "/logs", 0.5) as supervised:
        raise ZeroDivisionError
    assert sorted(supervised.notes) == ["the sys monitor on node1: gone", "the x monitor on node1: gone"]


def test_monitors_are_stopped_when_the_case_is_interrupted():
    host = FakeHost()
    with pytest.raises(KeyboardInterrupt), monitors(host, "/code", "x", "/logs", 0.5):
        raise KeyboardInterrupt
    assert {("sys", "stop"), ("x", "stop")} <= set(host.commands)


def test_a_monitor_whose_start_is_interrupted_is_stopped():
    host = FakeHost(x_start=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), monitors(host, "/code", "x", "/logs", 0.5):
        pass
    assert {("sys", "stop"), ("x", "stop")} <= set(host.commands)


def test_what_is_left_behind_is_stopped_by_code_that_travels_along():
    host = FakeHost(x_python3=(0, "/results/run1/cpu_monitor\n"))
    assert stop_all(host, "/results") == ["monitor /results/run1/cpu_monitor"]
    assert b"def stop_below" in host.stdin
