"""A copy of this project to run run.py in, so that a test can change any of its files; real hosts, engines and guests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import services
import yaml

from utils.connection.sync import code_files

VENV = Path(sys.prefix)
CHECKOUT = Path(__file__).parents[2]
QUICK: dict[str, Any] = {"repeat": 1, "warmup": 1, "percentiles": []}
"""Settings that make a case as short as it gets."""
MEASURED = ("OK", "TAINTED")
"""What a case is that ran well; a machine that is busy with other things raises a doubt."""


@dataclass(frozen=True)
class Finished:
    """What one call of run.py came to."""

    status: int
    output: str
    report: dict[str, Any] | None

    def case(self, name: str = "digits", host: str | None = None) -> dict[str, Any]:
        assert self.report is not None, self.output
        return next(case for case in self.report["cases"] if case["case"] == name and host in (None, case["host"]))


@dataclass
class Project:
    """A copy of the checkout below `folder`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    docker: dict[str, Any] = field(default_factory=dict)
    """Keys of host.yaml with which cases run in a container."""
    before: tuple[str, ...] = ()
    """A command that starts run.py, such as setpriv."""

    @property
    def results(self) -> Path:
        return self.folder / "result"

    @property
    def data(self) -> Path:
        """A data directory for cases that only want one to be there."""
        folder = self.folder / "data"
        folder.mkdir(exist_ok=True)
        return folder

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def host_yaml(self, **keys: Any) -> Path:
        """host.yaml for one quick case on this machine, with `keys` laid over it; a key that is ... is left out."""
        values = {"VENDOR": "cpu", "HOSTS": ["127.0.0.1"], "CASES": {"digits:pytorch_2.13": "embedded"}, "RUNTIME": "process"}
        values.update(keys)
        kept = {key: value for key, value in values.items() if value is not ...}
        return self.write("configs/host.yaml", yaml.safe_dump(kept, sort_keys=False))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.before, sys.executable, "run.py", *arguments],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, timeout: float = 300) -> Finished:
        return self.finish(self.start(*arguments), timeout)

    def finish(self, process: subprocess.Popen[str], timeout: float = 300) -> Finished:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            pytest.fail(f"run.py did not end in {timeout} s: {process.communicate(timeout=60)[0]}")
        return Finished(process.returncode, output, self.latest_report())

    def latest_report(self) -> dict[str, Any] | None:
        path = self.results / "latest" / "report.json"
        return json.loads(path.read_text()) if path.exists() else None


def copy_project(folder: Path) -> Project:
    for name in [*code_files(CHECKOUT), "run.py"]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, target)
    for name in ("onnxs", "result"):
        (folder / name).mkdir()
    return Project(folder, {"ACCELMARK_LOCK": f"accelmark-test-{secrets.token_hex(8)}"})  # tests run side by side


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy_project(tmp_path / "project")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes a disk of so many bytes, with more of mount's options behind a comma."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(size: str) -> str:
        services.afterwards("umount", "--lazy", folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        return str(folder)

    yield mounted
    subprocess.run(["umount", "--lazy", folder], check=True)


def after_make_setup(project: Project) -> Project:
    """What `make setup` leaves: the project's .venv, linked to this virtual environment's parts, ready and newer than all it is
    made of."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy2(CHECKOUT / name, project.folder / name)
    environment = project.folder / ".venv"
    environment.mkdir()
    for part in VENV.iterdir():
        if not part.name.startswith(".ready"):
            (environment / part.name).symlink_to(part)
    (environment / ".ready").touch()
    return project


def quick(**more: Any) -> list[str]:
    """`--set` arguments for QUICK and more."""
    return [word for key, value in {**QUICK, **more}.items() for word in ("--set", f"{key}={json.dumps(value)}")]


@contextmanager
def in_container(project: Project, base_tag: str, docker_client: Any) -> Iterator[Project]:
    """Let the project have a framework `pytorch_here` for cases in a container: Python and packages are those of this
    machine's virtual environment. Its images are removed afterwards."""
    project.write("docker_images/cpu/pytorch_here/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo built > /built\n")
    project.docker = {
        "RUNTIME": "docker",
        "CONNECTION": "local",
        "BUILD_ARGS": {"BASE_IMAGE": base_tag},
        "ACCE_CONTAINER_OPT": f"-v {VENV}:{VENV}:ro -e PATH={VENV}/bin:/usr/bin:/bin -e OMP_NUM_THREADS=1",
    }
    try:
        yield project
    finally:
        for image in docker_client.images.list(filters={"label": "accelmark.framework=pytorch_here"}):
            docker_client.images.remove(image.id, force=True)


@pytest.fixture
def container_project(project: Project, base_tag: str, docker_client: Any) -> Iterator[Project]:
    """A project with framework `pytorch_here`, whose cases run in a container on this machine."""
    with in_container(project, base_tag, docker_client):
        yield project
