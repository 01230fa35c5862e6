"""What a case must find on its host before anything starts for it: its data directory, and the files that its switches name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from utils.plan import CasePlan, RunPlan

FILE_KEYS = ("exist_onnx_path", "exist_compiler_path")


@dataclass(frozen=True)
class Need:
    """A path that must be there and readable, how messages call it, and what to do where it is not."""

    path: str
    is_folder: bool
    title: str
    remedy: str

    @property
    def complaint(self) -> str:
        """What is wrong when it is not there."""
        return f"{self.title} is missing or unreadable; {self.remedy}"


def needs(plan: RunPlan, case: CasePlan) -> Iterator[Need]:
    """What can be looked for on the host; what a container has elsewhere (its image, a mount) only the guest can find."""
    if case.data_directory is not None:
        builtin = ", ".join(_value(case, "builtin_data") or ())
        remedy = "correct CASES" + (f", or take what is built into {case.case}: {builtin}" if builtin else "")
        yield Need(case.data_directory, True, f"data directory {case.data_directory} of {case.name}", remedy)
    for key in FILE_KEYS:
        value = _value(case, key)
        if value is None:
            continue
        path = PurePosixPath(plan.code_path) / value
        if plan.runtime == "process" or _is_mounted(path, plan, case):
            yield Need(str(path), False, f"{key} {path} of {case.name}", f"put it there, or correct {case.config[key]['origin']}")


def _is_mounted(path: PurePosixPath, plan: RunPlan, case: CasePlan) -> bool:
    """Whether a container sees this path of the host's."""
    return path.is_relative_to(plan.code_path) or (case.data_directory is not None and path.is_relative_to(case.data_directory))


def _value(case: CasePlan, key: str) -> Any:
    return case.config[key]["value"] if key in case.config else None
