"""Two real hosts (tests/lab/hosts.py), and a project whose cases run in containers on them; faults are mended after each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time

import base_image
import hosts
import pytest
from run_fixtures import VENV, Finished
from toy import add_case

DOCKERFILE = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo built > /built\n"
CONTAINER_OPTIONS = f"-v {VENV}:{VENV}:ro -e PATH={VENV}/bin:/usr/bin:/bin -e OMP_NUM_THREADS=1"


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The hosts, with the base image on each."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("dockerd", "ip", "nsenter", "unshare")):
        pytest.skip("only root, with docker.io and iproute2 installed, can make hosts (tests/lab/install.sh)")
    made = hosts.Lab(tmp_path_factory.mktemp("lab"), 2)
    try:
        made.up()
        for host in made.hosts:
            with host.docker() as client:
                base_image.build(client)
        yield made
    finally:
        made.down()


@pytest.fixture
def lab_hosts(lab):
    """The two hosts, whole; what a test broke is mended afterwards, and its traces are removed."""
    yield lab.hosts
    for host in lab.hosts:
        mend(host)


def mend(host):
    host.heal()
    if host.engine_options or host.sessions != hosts.SESSIONS:
        host.engine_options, host.sessions = (), hosts.SESSIONS
        host.kill()
    if not host.is_up:
        host.kill()
        host.start()
    host.mend_engine()
    with host.docker() as client:
        for one in client.containers.list(all=True):
            one.remove(force=True)
    for path in host.disk.iterdir():  # the folder itself is mounted there
        shutil.rmtree(path)


@pytest.fixture
def far(project, lab, lab_hosts):
    """The project, set up to run toy cases in containers on the lab's hosts; see Far."""
    project.write("docker_images/cpu/pytorch_here/Dockerfile", DOCKERFILE)
    made = Far(project, lab)
    yield made
    made.end()


class Far:
    """Runs of a project on the lab's hosts."""

    def __init__(self, project, lab):
        self.project, self.lab = project, lab
        self.seen: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def write(self, *cases, hosts=None, **keys):
        """host.yaml with toy cases that have been added; `hosts` are those of the lab, all where none are named."""
        values = {
            "HOSTS": [host.address for host in hosts or self.lab.hosts],
            "RUNTIME": "docker",
            "CONNECTION": "ssh",
            "FLAGPERF_PATH": str(self.lab.there / "code"),
            "SSH_KEY": str(self.lab.user_key),
            "SSH_KNOWN_HOSTS": str(self.lab.known_hosts),
            "BUILD_ARGS": {"BASE_IMAGE": base_image.TAG},
            "ACCE_CONTAINER_OPT": CONTAINER_OPTIONS,
            "MONITOR_INTERVAL": 0.2,
            "RECONNECT_SECONDS": 90,
            "CASES": {name: data for case in cases for name, data in case.items()},
        }
        self.project.host_yaml(**{**values, **keys})

    def case(self, name, framework="pytorch_here", **engine):
        """A toy case, with an engine of its own."""
        for host in self.lab.hosts:
            (host.disk / "data").mkdir(exist_ok=True)
        [entry] = add_case(self.project, name, f"engine_{name}", framework=framework, **engine)
        return {entry: str(self.lab.there / "data")}

    def start(self, moment):
        """Start run.py and return when a line of its output has `moment`."""
        self.process = self.project.start()
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        self.wait_for(moment)
        return self.process

    def wait_for(self, text, seconds=180.0):
        def there():
            assert self.process.poll() is None or any(text in line for line in self.seen), "".join(self.seen)
            return any(text in line for line in self.seen)

        hosts.eventually(there, seconds)

    def finish(self, seconds=300.0):
        """Wait for its end; return what it came to and the seconds from now on."""
        began = time.monotonic()
        status = self.process.wait(seconds)
        hosts.eventually(lambda: self.process.stdout.closed, 60)
        return Finished(status, "".join(self.seen), self.project.latest_report()), time.monotonic() - began

    def run(self, seconds=300.0):
        self.process = self.project.start()
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        return self.finish(seconds)[0]

    def kill(self):
        """End run.py as a power cut would, and forget what it printed."""
        self.process.kill()
        self.process.wait()
        self.seen.clear()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        """What the newest run has logged so far."""
        return (max(self.project.results.glob("run*")) / "host.out.log").read_text()

    def _read(self, process):
        with process.stdout:
            for line in process.stdout:
                self.seen.append(line)


@pytest.fixture
def running(far, lab_hosts):
    """A run of a slow case and a quick one on one host, up to where the slow one is measured; the host, too."""

    def start(call_seconds=0.15, **keys):
        slow = far.case("slow", call=f"import time\ntime.sleep({call_seconds})\nreturn inputs, 0.0")
        far.write(slow, far.case("second"), hosts=lab_hosts[:1], **keys)
        far.start("1/2 slow:pytorch_here: step f")
        return lab_hosts[0]

    return start


def files(host):
    """What runs left where their files lie on a host."""
    return [str(path) for path in (host.disk / "code/result").rglob("*")]


def nothing_left(host, patience=90.0):
    """Whether nothing of ours is on a host any more, within `patience` seconds: containers, processes, files of a run."""

    def gone():
        return not [*host.containers(), *host.processes(), *files(host)]

    try:
        hosts.eventually(gone, patience)
    except AssertionError:
        print(host.name, host.containers(), host.processes(), files(host))
        return False
    return True
