"""What a case must find on its host before anything starts for it: its data, the files that its switches name, its packages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tools.config_manager import PATH_KEYS
from utils.engine_imports import engine_imports
from utils.runtime.in_place import requirement_lines
from utils.runtime.prepare import csrc_folder, requirements_file

if TYPE_CHECKING:
    from utils.plan import CasePlan, RunPlan

CONF_KEYS = ("mlperf_conf", "user_conf")
"""Files for loadgen, which the guest names from perf_dir on."""

GUEST_MODULES = ("torch", "yaml", "loguru", "numpy")


@dataclass(frozen=True)
class Need:
    """A path that must be there and readable, how messages call it, and what to do where it is not. `is_folder` is None where it
    may be a folder or a file."""

    path: str
    is_folder: bool | None
    title: str
    remedy: str

    @property
    def complaint(self) -> str:
        """What is wrong when it is not there."""
        return f"{self.title} is missing or unreadable; {self.remedy}"


@dataclass(frozen=True)
class Packages:
    """Modules that the host's own Python must have, who needs them, and what to do where it has not."""

    modules: tuple[str, ...]
    needed_by: str
    remedy: str

    def complaint(self, missing: Sequence[str]) -> str:
        """What is missing, as the end of `<python> has no …`."""
        return f"{', '.join(missing)}, which {self.needed_by} needs; {self.remedy}"


def needs(plan: RunPlan, case: CasePlan) -> Iterator[Need]:
    """What can be looked for on the host; what a container has elsewhere (its image, a mount) only the guest can find."""
    if case.data_directory is not None:
        builtin = ", ".join(_value(case, "builtin_data") or ())
        remedy = "correct CASES" + (f", or take what is built into {case.case}: {builtin}" if builtin else "")
        yield Need(case.data_directory, True, f"data directory {case.data_directory} of {case.name}", remedy)
    for key in (*PATH_KEYS, *CONF_KEYS):
        value = _value(case, key)
        if value is None or value == "":
            continue
        path = PurePosixPath(plan.code_path, value)
        is_folder = None if key == "exist_compiler_path" else False  # an engine may keep what it compiled in a folder
        if plan.runtime == "process" or _is_mounted(path, plan, case):
            remedy = f"put it there, or correct {case.config[key]['origin']}"
            yield Need(str(path), is_folder, f"{key} {path} of {case.name}", remedy)


def packages(plan: RunPlan, case: CasePlan) -> Iterator[Packages]:
    """What the guest and its engine import and nothing installs before the run; none where a container has its own Python.

    Raises ConfigError for an engine that is not Python, or a csrc that cannot be installed.
    """
    if plan.runtime != "process":
        return
    yield Packages(GUEST_MODULES, "the guest", "run 'make setup', or take RUNTIME: docker")
    compiler = _value(case, "compiler")
    if compiler is None or csrc_folder(plan.checkout, case.vendor):
        return
    covered = {*GUEST_MODULES, *_installed(plan.checkout, case)}
    modules = tuple(name for name in engine_imports(plan.checkout, case.vendor, compiler) if name not in covered)
    known = Path("docker_images") / case.vendor / case.framework / "requirements.txt"
    source = f"pip install -r {known}" if (plan.checkout / known).is_file() else "pip install what brings it"
    yield Packages(modules, f"engine {case.vendor}/{compiler}", f"{source}, take another compiler, or RUNTIME: docker")


def _installed(checkout: Path, case: CasePlan) -> set[str]:
    """The modules that the case's requirements bring, as far as packages are named after them."""
    file = requirements_file(checkout, case)
    lines = requirement_lines((checkout / file).read_text(encoding="utf-8")) if file else []
    return {re.split(r"[^\w.-]", line)[0].lower().replace("-", "_") for line in lines}


def _is_mounted(path: PurePosixPath, plan: RunPlan, case: CasePlan) -> bool:
    """Whether a container sees this path of the host's."""
    return path.is_relative_to(plan.code_path) or (case.data_directory is not None and path.is_relative_to(case.data_directory))


def _value(case: CasePlan, key: str) -> Any:
    return case.config[key]["value"] if key in case.config else None
