"""However the process of the tests ends, what they have running ends with it, and what no process holds is removed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from ssh_fixtures import waited_for

HERE = Path(__file__).parent
MARK = "ACCELMARK_TESTS_MARK"
EVERYTHING = """
import json, signal
from pathlib import Path
import pytest
from docker_fixtures import private_engine

def test_that_never_ends(sshd, lab, project, tmp_path):
    with lab.hosts[0].docker() as client:
        container = client.containers.run(lab_image(client), "sleep 600", detach=True)
    project.host_yaml(CASES={"digits:pytorch_2.13": "embedded"})
    project.start("run", "--wait")
    (tmp_path / "engine").mkdir()
    with private_engine(tmp_path / "engine"):
        Path(FILE).write_text(json.dumps({"lab": lab.name, "there": str(lab.folder)}))
        signal.pause()

def lab_image(client):
    return client.images.list()[0].id
"""


@pytest.fixture
def tests(tmp_path):
    """A process of pytest amid a test with an sshd, an engine, hosts, a container and a run.py; where to look for these, and all
    processes below it: some, an sshd for one, have no environment that could be read."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("dockerd", "ip", "nsenter", "unshare")):
        pytest.skip("only root, with docker.io and iproute2 installed, can make hosts (tests/lab/install.sh)")
    file = tmp_path / "ready.json"
    (tmp_path / "test_everything.py").write_text(f"FILE = {str(file)!r}\n{EVERYTHING}")
    plugins = [f"-p{path.stem}" for path in sorted(HERE.glob("*_fixtures.py"))]
    command = [sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", *plugins, f"--basetemp={tmp_path}/inner", tmp_path]
    paths = ":".join(map(str, (HERE.parents[1], HERE, HERE.parent / "lab")))
    process = subprocess.Popen(command, env={**os.environ, MARK: str(tmp_path), "PYTHONPATH": paths}, start_new_session=True)
    assert waited_for(lambda: file.exists() or process.poll() is not None, 300)
    below = psutil.Process(process.pid).children(recursive=True)
    yield process, json.loads(file.read_text()), below
    process.kill()
    process.wait()
    for left in running(below):
        with suppress(psutil.NoSuchProcess):
            left.kill()


def running(processes):
    """Those that have not ended; a number that was given away again is not theirs."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def marked(mark):
    """The processes that have inherited our mark, and that have not ended."""
    environments = [path for path in Path("/proc").glob("[0-9]*/environ") if path.parent.name != str(os.getpid())]
    return [path.parent.name for path in environments if f"{MARK}={mark}".encode() in contents(path)]


def contents(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def traces(lab, mark, below):
    """What there is of tests: processes, also those in containers and hosts; names of networks, mounts, cgroups and rules."""
    named = [*map(shown, (["ip", "netns"], ["ip", "link"], ["iptables", "-S"])), Path("/proc/mounts").read_text()]
    named += map(str, Path("/sys/fs/cgroup").glob("*/*"))
    inside = [path.parent.name for path in Path("/proc").glob("[0-9]*/mountinfo") if lab["there"].encode() in contents(path)]
    words = [word for text in named for word in text.split() if lab["lab"] in word or str(mark) in word]
    return [*running(below), *marked(mark), *inside, *words]


def shown(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_tests_that_are_killed_or_interrupted(tests, tmp_path, number):
    process, lab, below = tests
    assert all(f"name='{service}'" in str(below) for service in ("dockerd", "sshd"))
    assert len(traces(lab, tmp_path, [])) > 10
    process.send_signal(number)
    process.wait(120)
    assert waited_for(lambda: traces(lab, tmp_path, below) == [], 60), traces(lab, tmp_path, below)
    assert not (tmp_path / "inner/lab0/h1/docker").exists()
