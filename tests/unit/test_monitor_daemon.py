import os
import subprocess
import sys

from utils.monitoring import daemon


def own_pid_file(tmp_path, began):
    pid_file = tmp_path / "x_monitor.pid"
    pid_file.write_text(f"{os.getpid()} {began}\n")
    return pid_file


def test_what_a_run_has_begun_under_another_name_of_its_host_is_left_alone(tmp_path):
    places = [
        tmp_path / name for name in ("run1/case/a_noderank0", "run1/case/b_noderank1", ".guest-run1/case/b_noderank1", "run0/c")
    ]
    for place in places:
        place.mkdir(parents=True)
        (place / "x_monitor.pid").touch()
    daemon.stop_below(tmp_path, "*_monitor.pid", 0.1, "run1", "a_noderank0")
    assert [(place / "x_monitor.pid").exists() for place in places] == [False, True, True, False]


def test_a_daemon_with_the_number_and_the_birth_of_the_pid_file_is_live(tmp_path):
    pid_file = tmp_path / "x_monitor.pid"
    pid = daemon.launch(pid_file, lambda: lambda: daemon.stop_requested(60))
    assert daemon.live(pid_file) == pid
    daemon.stop(pid_file, 10)
    assert daemon.live(pid_file) is None


def test_a_pid_file_that_names_any_other_process_ends_nothing(tmp_path):
    pid_file = own_pid_file(tmp_path, daemon._began(os.getpid()))
    assert daemon.live(pid_file) is None
    daemon.stop(pid_file, 0.1)
    assert not pid_file.exists()


def test_a_pid_file_that_is_a_link_or_a_fifo_is_none(tmp_path):
    (tmp_path / "a_monitor.pid").symlink_to("/proc/self/stat")
    os.mkfifo(tmp_path / "b_monitor.pid")
    assert daemon.stop_below(tmp_path, "*_monitor.pid", 0.1) == []
    assert list(tmp_path.iterdir()) == []


def test_a_recycled_pid_is_never_signalled(tmp_path):
    pid_file = own_pid_file(tmp_path, "1")
    assert daemon.live(pid_file) is None
    daemon.stop(pid_file, 0.1)
    assert not pid_file.exists()


def test_a_zombie_has_ended():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert daemon._began(child.pid) is None


def test_a_pid_file_of_another_kind_is_no_monitor(tmp_path):
    pid_file = tmp_path / "x_monitor.pid"
    pid_file.write_text("1\n")
    assert daemon.live(pid_file) is None


def test_stale_pid_files_below_a_folder_are_cleared(tmp_path):
    (tmp_path / "case").mkdir()
    pid_file = own_pid_file(tmp_path / "case", "1")
    assert daemon.stop_below(tmp_path, "*_monitor.pid", 0.1) == []
    assert not pid_file.exists()


def test_a_monitor_that_may_not_be_stopped_is_named_once(tmp_path, monkeypatch):
    script = tmp_path / "x_monitor.py"
    script.write_text("import signal; print('up', flush=True); signal.pause()")
    with started(script, tmp_path) as monitor:
        kill = os.kill

        def refused(pid, number):
            raise PermissionError(1, "Operation not permitted")

        pid_file = tmp_path / "x_monitor.pid"
        pid_file.write_text(f"{monitor.pid} {daemon._began(monitor.pid)}\n")
        monkeypatch.setattr(daemon, "_is_daemon", lambda pid: True)
        monkeypatch.setattr(os, "kill", refused)
        said = daemon.stop_below(tmp_path, "*_monitor.pid", 0.1)
        monkeypatch.setattr(os, "kill", kill)
        monitor.kill()
    assert said == [f"{tmp_path}/x_monitor: not stopped: [Errno 1] Operation not permitted"]


def started(script, place):
    """A monitor that is on its way to being a daemon in a folder, once it runs."""
    command = [sys.executable, script, "-o", "start", "-l", place]
    monitor = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert monitor.stdout.readline() == b"up\n"
    return monitor


def test_a_monitor_that_has_yet_to_write_its_pid_file_is_stopped_where_it_is_meant(tmp_path):
    script = tmp_path / "x_monitor.py"
    script.write_text("import signal; print('up', flush=True); signal.pause()")
    monitors = [started(script, tmp_path / place) for place in ("run1/c/a_0", "run1/c/b_1", "../elsewhere")]
    meant, spared, foreign = monitors
    with meant, spared, foreign:
        try:
            said = daemon.stop_below(tmp_path / "run1", "*_monitor.pid", 10, "run1", "a_0")
            assert said == [str(tmp_path / "run1/c/a_0/x_monitor")]
            assert [monitor.poll() for monitor in (spared, foreign)] == [None, None]
        finally:
            for monitor in monitors:
                monitor.kill()
    assert meant.returncode == -15
