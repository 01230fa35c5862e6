"""What run.py and run_inference.py print where it cannot be taken: a closed pipe, a full disk, another encoding."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from run_fixtures import copy_project, quick
from toy import add_case

COMMANDS = [("list",), ("list", "--json"), ("check",), ("report",), ("report", "--markdown"), ("clean",), ("--help",)]
ENCODINGS = {"ascii": "C", "gbk": "zh_CN.GBK", "iso8859-1": "en_US.ISO-8859-1"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A project with one case that has a doubt, and one run of it."""
    project = copy_project(tmp_path_factory.mktemp("output") / "project")
    project.host_yaml(CASES=add_case(project, "toy", call="return inputs, 1e-9"))
    project.environment["COLUMNS"] = "80"
    assert project.run().status == 0
    return project


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    """The environment in which this machine has locales of other encodings; its own are seldom more than C and UTF-8."""
    folder = tmp_path_factory.mktemp("locales")
    for name in (name for name in ENCODINGS.values() if name != "C"):
        language, _, charmap = name.partition(".")
        made = subprocess.run(["localedef", "-i", language, "-f", charmap, folder / name], capture_output=True, check=False)
        if not (folder / name / "LC_CTYPE").exists():
            pytest.skip(f"localedef cannot make {name}: {made.stderr.decode()}")
    return {"LOCPATH": str(folder)}


def run(project, program, *arguments, **streams):
    environment = {**os.environ, **project.environment, **streams.pop("environment", {})}
    command = [sys.executable, program, *arguments]
    return subprocess.run(command, cwd=project.folder, env=environment, timeout=300, check=False, **streams)


def latest(project):
    return (project.results / "latest").readlink()


def without_reader():
    """The writing end of a pipe that nobody reads any more."""
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


def by_hand(project, log_dir):
    """Arguments of run_inference.py for the case of `toy`."""
    named = {"perf_dir": project.folder, "data_dir": project.data, "log_dir": log_dir, "loglevel": "INFO", "case": "toy"}
    named |= {"vendor": "cpu", "framework": "pytorch_2.13"}
    return [word for name, value in named.items() for word in (f"--{name}", str(value))]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_pipe_that_is_closed_ends_no_command_with_an_error(toy, arguments):
    pipe = without_reader()
    done = run(toy, "run.py", *arguments, stdout=pipe, stderr=subprocess.PIPE)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_leaves_after_the_first_line_gets_it(toy):
    with subprocess.Popen([sys.executable, "run.py", "list"], cwd=toy.folder, stdout=subprocess.PIPE) as listing:
        assert listing.stdout.readline().strip() == b"Cases"
        listing.stdout.close()
    assert listing.returncode == 0


@pytest.mark.parametrize("arguments", [("report",), ("list",), ("clean",), ("run",)], ids=" ".join)
def test_streams_that_are_closed_from_the_beginning_are_no_error(toy, arguments):
    command = [sys.executable, "run.py", *arguments]
    closing = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *command]
    done = subprocess.run(closing, cwd=toy.folder, env={**os.environ, **toy.environment}, timeout=300, check=False)
    assert done.returncode == 0
    assert toy.latest_report()["run"]["summary"] == {"TAINTED": 1}


def test_a_run_goes_on_to_its_report_when_nobody_reads_what_it_prints(toy):
    pipe, before = without_reader(), latest(toy)
    done = run(toy, "run.py", "run", stdout=pipe, stderr=pipe)
    os.close(pipe)
    assert done.returncode == 0
    assert latest(toy) != before
    assert toy.latest_report()["run"]["summary"] == {"TAINTED": 1}


def test_a_run_goes_on_to_its_report_when_its_terminal_goes_away(toy):
    ours, theirs = pty.openpty()
    before = latest(toy)
    command = [sys.executable, "run.py"]
    with subprocess.Popen(command, cwd=toy.folder, env={**os.environ, **toy.environment}, stdout=theirs, stderr=theirs) as going:
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
    assert going.returncode == 0
    assert latest(toy) != before


def test_a_case_by_hand_is_measured_when_nobody_reads_what_it_prints(toy, tmp_path):
    pipe = without_reader()
    done = run(toy, "run_inference.py", *by_hand(toy, tmp_path), "--progress", *quick(), stdout=pipe, stderr=pipe)
    os.close(pipe)
    assert done.returncode == 0
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "TAINTED"


def test_a_disk_that_is_full_is_said_and_costs_the_exit_code_0(toy):
    with Path("/dev/full").open("wb") as full:
        done = run(toy, "run.py", "list", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"run.py: what was printed is not complete: No space left on device\n")


def shown(project, encoding, locales, *arguments, program="run.py"):
    """What a terminal of this encoding shows, and the exit code; nothing that it cannot show is sent to it."""
    setting = {**locales, "LC_ALL": ENCODINGS[encoding]}
    if encoding == "ascii":
        setting = {"PYTHONIOENCODING": "ascii"}
    done = run(project, program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, environment=setting)
    return done.returncode, done.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_run_costs_nothing_in_a_terminal_of_another_encoding(toy, locales, encoding):
    code, text = shown(toy, encoding, locales, "run")
    lines = text.splitlines()
    assert (code, "Traceback" in text, "?" in text) == (0, False, False), text
    assert "! TAINTED" in text
    report = [line for line in lines[lines.index("") :] if "report.html" not in line]
    assert max(map(len, report)) <= 80, "the table fits as it does elsewhere"
    assert ("±%" if encoding != "ascii" else "+/-%") in text
    assert (toy.results / "latest" / "report.md").read_bytes().decode("utf-8").count("±")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", [*COMMANDS, ("check", "--set", "compiler=ünknownµ卡")], ids=" ".join)
def test_all_commands_and_errors_can_be_shown_in_another_encoding(toy, locales, encoding, arguments):
    code, text = shown(toy, encoding, locales, *arguments)
    assert (code, "Traceback" in text, bool(text)) == (2 if "--set" in arguments else 0, False, True), text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_case_by_hand_can_be_shown_in_another_encoding(toy, locales, encoding, tmp_path):
    code, text = shown(toy, encoding, locales, *by_hand(toy, tmp_path), *quick(), program="run_inference.py")
    assert (code, "toy on cpu" in text, "error" in text.lower()) == (0, True, False), text
    (tmp_path / "container.out.log").read_bytes().decode("utf-8")


def test_what_a_guest_prints_is_utf_8_in_its_log_whatever_the_terminal_s_encoding(toy, locales):
    add_case(toy, "speaking", call="print('±µ卡')\nreturn inputs, 0.0")
    toy.host_yaml(CASES={"speaking:pytorch_2.13": str(toy.data)})
    assert shown(toy, "gbk", locales, "run")[0] == 0
    log = toy.results / "latest" / "speaking:pytorch_2.13" / "127.0.0.1_noderank0" / "stdout_err.out.log"
    assert "±µ卡" in log.read_bytes().decode("utf-8")
