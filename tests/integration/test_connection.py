"""What a connection promises, on this machine and over SSH alike."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from ssh_fixtures import waited_for

from tools.errors import CommandError, CommandTimeout

NASTY = ["a b", "'", '"', "$(id)", "`id`", ";", "&&", "|", "new\nline", "*", "~", "\\", "ünï ✓", "", "-n", "!x", "#", "$HOME"]
AT_ONCE = 4.0
"""The seconds that a process which was killed may take to end on a busy machine."""
SHOW = "import json, sys; print(json.dumps(sys.argv[1:]))"


def running(mark):
    """The processes, zombies aside, with `mark` among their arguments."""
    found = (process for process in psutil.process_iter(["cmdline", "status"]) if mark in (process.info["cmdline"] or []))
    return [process for process in found if process.info["status"] != psutil.STATUS_ZOMBIE]


def gone(mark, seconds=30.0):
    """Whether no process with `mark` is left within `seconds`."""
    return waited_for(lambda: not running(mark), seconds)


@pytest.fixture
def mark():
    """A number of seconds to sleep that no other process has among its arguments."""
    return f"{3000 + os.getpid() % 1000}.{time.monotonic_ns() % 10**9}"


def test_a_command_s_status_and_both_streams_come_back(connection):
    done = connection.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=20)
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_arguments_arrive_as_they_were_given(connection):
    done = connection.run([connection.python, "-c", SHOW, *NASTY], timeout=20).check()
    assert json.loads(done.stdout) == NASTY


def test_stdin_arrives_whole_and_ends(connection):
    data = os.urandom(3_000_000)
    done = connection.run(["sha256sum"], timeout=20, stdin=data).check()
    assert done.stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_a_command_that_does_not_read_its_stdin_ends_all_the_same(connection):
    assert connection.run(["true"], timeout=20, stdin=b"x" * 1_000_000).status == 0


def test_folder_and_environment_are_the_command_s_own(connection, tmp_path):
    done = connection.run(["sh", "-c", 'echo "$PWD $A"'], timeout=20, cwd=str(tmp_path), env={"A": "b 'c' $d"}).check()
    assert done.stdout == f"{tmp_path} b 'c' $d\n"


def test_lines_come_as_they_are_written_with_both_streams_merged(connection, tmp_path):
    heard, seen = tmp_path / "heard", []

    def listen(line):
        seen.append(line)
        heard.touch()

    script = 'echo first; until [ -e "$0" ]; do sleep 0.05; done; echo second >&2; read x; echo third'
    connection.run(["sh", "-c", script, str(heard)], timeout=60, on_line=listen).check()
    assert seen == ["first", "second", "third"]


def test_a_missing_command_is_status_127_and_a_folder_126(connection):
    assert connection.run(["no-such-command-here"], timeout=20).status == 127
    assert connection.run(["/tmp"], timeout=20).status == 126


def test_a_signal_s_status_is_what_a_shell_counts(connection):
    assert connection.run(["sh", "-c", "kill -9 $$"], timeout=20).status == 137


def test_much_output_on_both_streams_does_not_deadlock(connection):
    script = "import sys\nfor i in range(300): sys.stderr.write('e' * 10000); sys.stdout.write('o' * 10000)"
    done = connection.run([connection.python, "-c", script], timeout=60).check()
    assert (len(done.stdout), len(done.stderr)) == (3_000_000, 3_000_000)


def test_past_its_timeout_a_command_is_gone_with_its_children(connection, mark):
    started = time.monotonic()
    with pytest.raises(CommandTimeout, match="1 s"):
        connection.run(["sh", "-c", f"sleep {mark} | cat & sleep {mark}"], timeout=1)
    assert time.monotonic() - started < 30
    assert gone(mark, AT_ONCE)


def test_a_command_that_ignores_term_is_killed(connection, mark):
    with pytest.raises(CommandTimeout):
        connection.run(["sh", "-c", f"trap '' TERM; sleep {mark}; sleep {mark}"], timeout=0.5)
    assert gone(mark, AT_ONCE)


def test_cancelled_from_another_thread_a_command_is_gone_at_once(connection, mark):
    cancels = []

    def cancel(line):
        threading.Thread(target=cancels[0]).start()

    done = connection.run(["sh", "-c", f"echo up; sleep {mark}"], timeout=60, on_line=cancel, cancelled=cancels.append)
    assert done.status != 0
    assert gone(mark, AT_ONCE)


def test_a_daemon_that_holds_the_pipe_does_not_hold_us(connection, mark, tmp_path):
    daemon = f'setsid sh -c \'touch "$0"; exec sleep {mark}\' "$0" & until [ -e "$0" ]; do sleep 0.05; done; echo started'
    done = connection.run(["sh", "-c", daemon, str(tmp_path / "up")], timeout=60)
    try:
        assert (done.status, done.stdout) == (0, "started\n")
        assert waited_for(lambda: len(running(mark)) == 1)
    finally:
        for process in running(mark):
            process.kill()


def test_what_a_command_leaves_behind_in_its_session_is_ended(connection, mark):
    connection.run(["sh", "-c", f"sleep {mark} & echo started"], timeout=30).check()
    assert gone(mark)


def test_an_error_in_our_own_line_handler_ends_the_command(connection, mark):
    def broken(line):
        raise ZeroDivisionError(line)

    with pytest.raises(ZeroDivisionError):
        connection.run(["sh", "-c", f"echo x; sleep {mark}"], timeout=60, on_line=broken)
    assert gone(mark)


def test_waiting_costs_next_to_no_processor_time(connection):
    before = time.process_time()
    connection.run(["sleep", "2"], timeout=20)
    assert time.process_time() - before < 0.5  # a busy wait would take the two seconds


def test_several_threads_share_a_connection(connection):
    results = []

    def nap():
        results.append(connection.run(["sleep", "0.5"], timeout=30).status)

    threads = [threading.Thread(target=nap) for _ in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 14


def test_a_tree_comes_back_as_it_went(connection, tmp_path):
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    (source / "a" / "ü b").mkdir(parents=True)
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "a" / "ü b" / "data").write_bytes(os.urandom(200_000))
    connection.put_tree(source, ["run.sh", "a/ü b/data"], str(there))
    connection.get_tree(str(there), back)
    assert os.access(there / "run.sh", os.X_OK)
    assert (back / "a" / "ü b" / "data").read_bytes() == (source / "a" / "ü b" / "data").read_bytes()


def test_links_and_pipes_stay_behind(connection, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("x")
    (tmp_path / "there" / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "there" / "pipe")
    connection.get_tree(str(tmp_path / "there"), tmp_path / "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["file"]


def test_a_folder_that_is_not_there_is_an_error(connection, tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        connection.get_tree("/no/such/folder", tmp_path)


OWNER = """
import sys
sys.path.insert(0, sys.argv[1])
from utils.connection import connect
from utils.plan import HostTarget
port = int(sys.argv[3])
target = HostTarget("127.0.0.1", 0, port > 0, port, None, sys.argv[4], sys.argv[5])
with connect(target) as connection:
    connection.run(["sh", "-c", "echo up; sleep " + sys.argv[2]], timeout=60, on_line=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("over_ssh", [False, True])
def test_when_we_are_ended_no_command_is_left(sshd, mark, number, over_ssh):
    argv = [sys.executable, "-c", OWNER, str(Path(__file__).parents[2]), mark, str(sshd.port if over_ssh else 0)]
    argv += [str(sshd.user_key), str(sshd.known_hosts)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"up\n"
        owner.send_signal(number)
        owner.communicate(timeout=60)
    assert gone(mark)
