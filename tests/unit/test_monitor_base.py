import json
import sys

import pytest

from utils.monitoring import base
from utils.monitoring.base import DeviceReading, Log, Monitor, main, monitor, read_rows, tool_readings, watch


class FakeClock:
    """Stands still unless it is waited on; after `stop_after` waits it is asked to stop."""

    def __init__(self, stop_after=1):
        self.now, self.waits, self._left = 100.0, [], stop_after

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(round(seconds, 3))
        self.now += seconds
        self._left -= 1
        return self._left == 0


def new_log(tmp_path, clock=lambda: 1.0):
    return Log(tmp_path / "x_monitor.log", "x", 0.5, clock)


def records(tmp_path):
    return [json.loads(line) for line in (tmp_path / "x_monitor.log").read_text().splitlines() if line]


def python(script):
    return (sys.executable, "-c", script)


def as_watts(text):
    return [DeviceReading(0, power_watts=float(text))]


def fails(error):
    def read():
        raise error

    return read


def test_the_first_line_names_the_format_and_the_interval(tmp_path):
    new_log(tmp_path)
    assert records(tmp_path) == [{"accelmark_monitor": 1, "monitor": "x", "interval": 0.5, "started": 1.0}]


def test_what_is_not_reported_is_not_logged_but_zero_is(tmp_path):
    new_log(tmp_path).take(
        lambda: [DeviceReading(0, "chip", power_watts=None, utilisation_percent=0.0, frequency_mhz=float("nan"))]
    )
    assert records(tmp_path)[1] == {"time": 1.0, "index": [0], "name": ["chip"], "utilisation_percent": [0.0]}


def test_each_quantity_has_a_place_for_each_device(tmp_path):
    new_log(tmp_path).take(lambda: [DeviceReading(0, power_watts=1.5), DeviceReading(3)])
    assert records(tmp_path)[1] == {"time": 1.0, "index": [0, 3], "power_watts": [1.5, None]}


@pytest.mark.parametrize(("seconds", "waits"), [(0.2, [0.0, 0.3, 0.3, 0.3]), (1.3, [0.0, 0.2, 0.2])])
def test_readings_that_take_time_do_not_drift_and_skip_what_they_missed(tmp_path, seconds, waits):
    clock = FakeClock(stop_after=len(waits))

    def read():
        clock.now += seconds
        return [DeviceReading(0)]

    watch(read, new_log(tmp_path, clock), 0.5, clock.wait, clock)
    assert clock.waits == waits


def test_a_last_reading_is_taken_when_stopped(tmp_path):
    clock = FakeClock(stop_after=1)
    watch(lambda: [DeviceReading(0)], new_log(tmp_path, clock), 0.5, clock.wait, clock)
    assert len(records(tmp_path)) == 2


def test_a_failing_tool_is_not_asked_again_when_stopped(tmp_path):
    clock, asked = FakeClock(stop_after=2), []

    def read():
        asked.append(1)
        raise OSError("hangs")

    watch(read, new_log(tmp_path, clock), 0.5, clock.wait, clock)
    assert len(asked) == 1


def test_it_ends_when_the_log_is_removed(tmp_path):
    clock, log = FakeClock(stop_after=1000), new_log(tmp_path)
    (tmp_path / "x_monitor.log").unlink()
    watch(lambda: [DeviceReading(0)], log, 0.5, clock.wait, clock)
    assert len(clock.waits) == 1


def test_the_same_error_is_logged_once_a_minute(tmp_path):
    clock = FakeClock()
    log = new_log(tmp_path, clock)
    for _ in range(200):
        log.take(fails(ValueError("no device")))
        clock.now += 0.5
    assert [record["error"] for record in records(tmp_path)[1:]] == ["no device", "no device"]


def test_another_error_is_logged_at_once(tmp_path):
    log = new_log(tmp_path)
    log.take(fails(ValueError("one")))
    log.take(fails(KeyError("two")))
    assert [record["error"] for record in records(tmp_path)[1:]] == ["one", "'two'"]


def test_a_log_torn_by_a_kill_is_continued_on_a_new_line(tmp_path):
    (tmp_path / "x_monitor.log").write_text('{"time":1,"dev')
    new_log(tmp_path)
    assert (tmp_path / "x_monitor.log").read_text().splitlines()[1].startswith('{"accelmark_monitor"')


def test_a_full_disk_does_not_end_the_monitor():
    log = Log(base.Path("/dev/full"), "x", 0.5, lambda: 1.0)
    log.take(lambda: [DeviceReading(0)])
    assert log.failing is False


def test_a_tool_is_read_through_the_parser():
    assert tool_readings(python("print(12.5)"), as_watts) == [DeviceReading(0, power_watts=12.5)]


def test_a_tool_that_ends_badly_is_an_error_with_its_own_words():
    with pytest.raises(ValueError, match="exit 9: no driver"):
        tool_readings(python("import sys; print('no driver'); sys.exit(9)"), as_watts)


def test_complete_rows_count_even_when_the_tool_ends_badly():
    assert tool_readings(python("import sys; print(3); sys.exit(14)"), as_watts) == [DeviceReading(0, power_watts=3.0)]


def test_rows_are_read_one_by_one_whatever_a_parser_raises_for_one_of_them():
    def read(row):
        return DeviceReading(int(row), power_watts=1 / {"0": 1, "1": 0, "3": 2}[row])

    readings = read_rows(["0", "1", "2", "3", "x"], read)
    assert ([one.index for one in readings], readings.complaints) == ([0, 3], ("1", "2", "x"))
    with pytest.raises(ZeroDivisionError):
        read_rows(["1", "2"], read)


def test_a_tool_without_a_device_is_an_error():
    with pytest.raises(ValueError, match="no device reported"):
        tool_readings(python(""), lambda text: [])


def test_a_hanging_tool_is_given_up_with_what_it_started():
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    with pytest.raises(base.subprocess.TimeoutExpired):
        tool_readings(python(script), as_watts, timeout=0.1)


def test_a_missing_tool_is_refused_with_the_remedy(tmp_path, capsys):
    assert main(monitor("x", ("no-such-smi",), as_watts), ["-o", "start", "-l", str(tmp_path)]) == 1
    assert "'no-such-smi' was not found on this host; install it" in capsys.readouterr().err


@pytest.mark.parametrize("interval", ["abc", "0", "-1", "nan", "1e9", "0.049", "3600.1"])
def test_an_interval_that_is_none_is_refused(tmp_path, capsys, monkeypatch, interval):
    monkeypatch.setenv("ACCELMARK_MONITOR_INTERVAL", interval)
    assert main(Monitor("x", list), ["-o", "start", "-l", str(tmp_path)]) == 2
    assert "ACCELMARK_MONITOR_INTERVAL" in capsys.readouterr().err


def test_status_of_a_stopped_monitor_is_3_and_stopping_it_succeeds(tmp_path):
    assert main(Monitor("x", list), ["-o", "status", "-l", str(tmp_path)]) == 3
    assert main(Monitor("x", list), ["-o", "stop", "-l", str(tmp_path)]) == 0
