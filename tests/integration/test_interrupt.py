"""Ctrl-C, SIGTERM and SIGHUP at several moments: a report of what was finished, exit 130, and nothing left running."""

import os
import signal
import textwrap
import threading
import time
from functools import partial

import psutil
import pytest
from run_fixtures import MEASURED, Finished
from toy import add_case

BUSY = "import time\nwhile True: time.sleep(0.01)  # a signal just before one long sleep would be seen after it only"
DEAF = f"import signal; [signal.signal(each, signal.SIG_IGN) for each in (2, 15)]\n{BUSY}"
PATIENCE = 180.0

NONE = 0
"""The signal that is none: kill(2)."""


def wait_for(process, text):
    """Read run.py's output up to the line that has `text`."""
    alarm = threading.Timer(PATIENCE, process.kill)
    alarm.start()
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            alarm.cancel()
            return
    pytest.fail(f"{text!r} never came:\n{''.join(seen)}")


def end(project, process, number, then=lambda: None):
    """Send the signal and return what run.py came to, with the seconds that took; `then` lets it come to its end."""
    began = time.monotonic()
    process.send_signal(number)
    then()
    alarm = threading.Timer(PATIENCE, process.kill)
    alarm.start()
    output = process.stdout.read()
    status = process.wait()
    alarm.cancel()
    return Finished(status, output, project.latest_report()), time.monotonic() - began


def at_work(project, there=None):
    """What runs with the project's folder on its command line or as its working directory: guests, monitors, pip."""
    folder = str(there or project.folder)
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        if process.info["status"] != psutil.STATUS_ZOMBIE and (folder in words or str(process.info["cwd"]).startswith(folder)):
            found.append(words)
    return found


def left_over(project, there=None, seconds=4.0):
    """What of that still runs after some seconds, which a process that was killed may take to end on a busy machine."""
    until = time.monotonic() + seconds
    while (found := at_work(project, there)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def containers(docker_client, finished):
    run = finished.report["run"]["id"]
    return docker_client.containers.list(all=True, filters={"label": f"accelmark.run={run}"}, ignore_removed=True)


def interrupted(finished, case):
    return finished.case(case)["status"], finished.case(case)["reasons"][0]["kind"]


@pytest.fixture
def started(project):
    """Starts a run of a case that is well and of one more, up to a moment in that one; `host` are keys of host.yaml."""
    runs = []

    def start(moment, frameworks=("pytorch_2.13", "pytorch_2.13"), host=None, **second):
        cases = add_case(project, "first", framework=frameworks[0])
        cases.update(add_case(project, "second", "slow", framework=frameworks[1], **second))
        project.host_yaml(CASES=cases, MONITOR_INTERVAL=0.1, **(host or {}))
        runs.append(project.start())
        wait_for(runs[-1], f"2/2 second:{frameworks[1]}: {moment}")
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
        run.wait()


def check_interrupted(project, finished, seconds):
    """The first case is kept, the second interrupted, nothing runs any more."""
    assert finished.status == 130, finished.output
    assert finished.case("first")["status"] in MEASURED
    assert interrupted(finished, "second") == ("FAILED", "INTERRUPTED")
    assert finished.case("first")["metrics"]["inference_core"] > 0
    assert "Traceback" not in finished.output
    assert (project.results / "latest" / "report.html").exists()
    assert left_over(project) == []
    assert seconds < 45


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_run_that_is_interrupted_while_an_engine_runs_keeps_what_was_finished(project, started, number):
    run = started("step f", call=BUSY)
    finished, seconds = end(project, run, number)
    check_interrupted(project, finished, seconds)
    by = "the user" if number == signal.SIGINT else number.name
    assert finished.case("second")["reasons"][0]["message"] == f"interrupted by {by}"


@pytest.mark.parametrize("moment", ["packages", "monitors", "guest", "step b"])
def test_a_run_that_is_terminated_before_an_engine_runs_keeps_what_was_finished(project, started, moment):
    run = started(moment, call=BUSY)
    check_interrupted(project, *end(project, run, signal.SIGTERM))


def test_a_signal_that_the_kernel_gave_to_a_host_s_thread_is_heard(project, started):
    code, phase = project.folder / "utils/case_run.py", 'self._phase("monitors")'
    given = "import signal, threading; signal.pthread_kill(threading.get_ident(), signal.SIGTERM)"
    second = f'if self.case.case == "second":\n{" " * 16}{given}\n{" " * 12}{phase}'
    code.write_text(code.read_text().replace(phase, second))
    run = started("packages", call=BUSY)
    check_interrupted(project, *end(project, run, NONE))


def test_a_run_that_is_terminated_while_it_collects_keeps_all_that_was_measured(project, started):
    code = project.folder / "utils/case_run.py"
    waiting = "while not self.session.cancellation._requested: __import__('time').sleep(0.05)"
    second = f'self._phase("collecting")\n                    if self.case.case == "second":\n{" " * 24}{waiting}'
    code.write_text(code.read_text().replace('self._phase("collecting")', second))
    run = started("collecting")
    finished, _ = end(project, run, signal.SIGTERM)
    assert finished.status == 130, finished.output
    assert all(finished.case(case)["metrics"]["inference_core"] > 0 for case in ("first", "second"))
    assert left_over(project) == []


def test_a_run_can_be_interrupted_during_validation(project, started):
    run = started("step c", code=f"def model_forward(model, dataloader, evaluator, config):\n{textwrap.indent(BUSY, '    ')}\n")
    finished, seconds = end(project, run, signal.SIGINT)
    check_interrupted(project, finished, seconds)
    outcomes = {step["letter"]: step["outcome"] for step in finished.case("second")["steps"]}
    assert (outcomes["b"], outcomes["c"], outcomes["f"]) == ("ok", "failed", "skipped")


def test_a_run_can_be_interrupted_while_pip_installs(project, started):
    hanging = project.folder / "hanging"
    project.write("hanging/pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "hang"\nbackend-path = ["."]\n')
    project.write("hanging/hang.py", f"open('{project.folder}/reached', 'w').close()\n{BUSY}\n")
    project.write("benchmarks/second/pytorch/requirements.txt", f"hanging @ file://{hanging}\n")
    run = started("packages")
    eventually((project.folder / "reached").exists)
    check_interrupted(project, *end(project, run, signal.SIGINT))


def test_a_run_can_be_interrupted_on_another_host(project, started, sshd):
    there = project.folder.parent / "there"
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    run = started("step f", host={"CONNECTION": "ssh", "FLAGPERF_PATH": str(there), **keys}, call=BUSY)
    check_interrupted(project, *end(project, run, signal.SIGINT))
    assert left_over(project, there) == []
    assert list((there / "result").iterdir()) == []


def test_a_run_can_be_interrupted_while_a_container_runs(container_project, started, docker_client):
    run = started("step f", ("pytorch_here", "pytorch_here"), container_project.docker, call=BUSY)
    finished, seconds = end(container_project, run, signal.SIGINT)
    check_interrupted(container_project, finished, seconds)
    assert containers(docker_client, finished) == []


def test_a_run_can_be_interrupted_while_an_image_is_built(container_project, started, docker_client):
    hanging = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN sleep 600\n"
    container_project.write("docker_images/cpu/pytorch_hangs/Dockerfile", hanging)
    run = started("image: Step 4", ("pytorch_here", "pytorch_hangs"), container_project.docker)
    finished, seconds = end(container_project, run, signal.SIGINT)
    check_interrupted(container_project, finished, seconds)
    running = partial(docker_client.containers.list, ignore_removed=True)
    eventually(lambda: not [one for one in running() if "sleep 600" in str(one.attrs["Args"])])
    assert containers(docker_client, finished) == []


def test_a_guest_that_does_not_listen_is_killed(project, started):
    run = started("step f", call=DEAF)
    check_interrupted(project, *end(project, run, signal.SIGINT))


def test_a_second_ctrl_c_ends_at_once_and_clean_clears_up(project, started):
    run = started("step f", call=DEAF)
    run.send_signal(signal.SIGINT)
    wait_for(run, "once more ends run.py at once (`run.py clean` then clears up)")
    finished, seconds = end(project, run, signal.SIGINT)
    assert (finished.status, finished.report, seconds < 30) == (130, None, True)
    cleaned = project.run("clean")
    assert cleaned.status == 0
    assert "_monitor: ended\n" in cleaned.output
    assert left_over(project, seconds=PATIENCE) == []


@pytest.fixture
def copying(project, sshd):
    """A run that copies the code to another host, where a file of the code is a pipe: who opens it waits for the other end."""
    there = project.folder.parent / "there"
    for name in ("tools/contract.py", "tools/zz_large.py"):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
    project.write("tools/zz_large.py", "#" * 1_000_000)
    pipe = there / "tools/zz_large.py"
    os.mkfifo(pipe)
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    project.host_yaml(CONNECTION="ssh", FLAGPERF_PATH=str(there), **keys, CASES=add_case(project, "toy"))
    (there / "tools/contract.py").touch()
    run = project.start()
    yield run, pipe
    run.kill()
    run.wait()


def opened(pipe):
    """Our end of a pipe, once somebody reads from the other."""
    found = []

    def try_it():
        try:
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    eventually(try_it)
    return found[0]


def check_nothing_was_copied(project, there, finished, seconds):
    assert finished.status == 130, finished.output
    assert interrupted(finished, "toy") == ("FAILED", "INTERRUPTED")
    assert left_over(project) == left_over(project, there) == []
    assert seconds < 45


def test_a_run_can_be_interrupted_while_it_compares_the_code(project, copying):
    run, pipe = copying
    reader = opened(pipe)
    check_nothing_was_copied(project, pipe.parents[1], *end(project, run, signal.SIGINT))
    os.close(reader)


def test_a_run_can_be_interrupted_while_it_copies_the_code_and_the_next_one_completes_it(project, copying):
    run, pipe = copying
    os.close(opened(pipe))  # an empty file: it differs, and is written to next
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    eventually(lambda: readable(reader))
    check_nothing_was_copied(project, pipe.parents[1], *end(project, run, signal.SIGINT))
    os.close(reader)
    pipe.unlink()
    finished = project.run()
    assert (finished.status, pipe.stat().st_size) == (0, 1_000_000), finished.output


def readable(descriptor):
    """Whether somebody has begun to write into a pipe."""
    try:
        return len(os.read(descriptor, 100)) > 0
    except BlockingIOError:
        return False


def test_ctrl_c_while_the_report_is_written_lets_it_be_finished(project):
    pages, go_on = project.folder / "utils/report/pages.py", project.folder / "go on"
    waiting = f"while name == 'report.md' and not __import__('os').path.exists({str(go_on)!r}): __import__('time').sleep(0.05)"
    loop = "    for name in names:\n"
    pages.write_text(pages.read_text().replace(loop, f"{loop}        print('writing', name, flush=True)\n        {waiting}\n", 1))
    project.host_yaml(CASES=add_case(project, "toy"))
    run = project.start()
    wait_for(run, "writing report.md")
    finished, _ = end(project, run, signal.SIGINT, then=go_on.touch)
    assert finished.status == 130, finished.output
    assert finished.case("toy")["metrics"]["inference_core"] > 0
    assert f"Accelmark {finished.report['run']['id']}" in finished.output
    assert {"report.html", "report.md", "report.json"} <= {path.name for path in (project.results / "latest").iterdir()}
    assert left_over(project) == []
