"""What a case needs besides the image: the guest's own packages, the case's requirements, the vendor's csrc."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tools.errors import CaseCrash, CaseTimeout, ConfigError
from utils.connection.base import Cancelled
from utils.plan import CasePlan, RunPlan
from utils.runtime.base import OnLine, Place
from utils.runtime.in_place import MISSING, UNSATISFIED, requirement_lines
from utils.runtime.last_errors import LastErrors
from utils.runtime.masking import masked

TIMEOUT = 1800.0
"""Seconds for one installation; a csrc may have to be compiled."""

SCRIPT = Path(__file__).with_name("in_place.py")


def prepare(place: Place, run: RunPlan, case: CasePlan, on_line: OnLine, cancelled: Cancelled | None = None) -> None:
    """Install in `place` what is missing there; where nothing is, pip is not called.

    Raises CaseCrash when something cannot be installed, CaseTimeout when that takes more than half an hour, and what Place.run
    raises. After a cancel it returns or raises CaseCrash; the caller knows that it cancelled.
    """
    installer = _Installer(place, case.case, on_line, cancelled)
    requirements = requirements_file(run.checkout, case)
    packages, unsatisfied = installer.missing(f"{run.code_path}/{requirements}" if requirements else None)
    if packages:
        installer.install(packages, "the guest's own packages", ", ".join(packages))
    if requirements and unsatisfied:
        installer.install(["-r", f"{run.code_path}/{requirements}"], "requirements", str(requirements))
    csrc = csrc_folder(run.checkout, case.vendor)
    if csrc:
        installer.install_folder(f"{run.code_path}/{csrc}", str(csrc))


def requirements_file(checkout: Path, case: CasePlan) -> Path | None:
    """The case's `<vendor>_requirements.txt`, else its `requirements.txt`, below `checkout`; None where neither says anything."""
    folder = Path("benchmarks") / case.case / case.framework.partition("_")[0]
    for name in (f"{case.vendor}_requirements.txt", "requirements.txt"):
        file = checkout / folder / name
        if file.is_file():
            return folder / name if requirement_lines(file.read_text(encoding="utf-8")) else None
    return None


def csrc_folder(checkout: Path, vendor: str) -> Path | None:
    """The vendor's `inference_engine/<vendor>/csrc` below `checkout`; None where there is none.

    Raises ConfigError for one that pip cannot install.
    """
    folder = Path("inference_engine") / vendor / "csrc"
    if not (checkout / folder).is_dir():
        return None
    if not any((checkout / folder / name).is_file() for name in ("setup.py", "pyproject.toml")):
        raise ConfigError(f"{folder}: neither setup.py nor pyproject.toml, so pip cannot install it; add one of them")
    return folder


def pip_environment(pip_source: str | None) -> dict[str, str]:
    """What tells pip its index: as an option, a password in it could be read by everybody on the host (ps)."""
    return {"PIP_INDEX_URL": pip_source} if pip_source else {}


class _Installer:
    """Runs Python and pip in one place, keeping of what they print what says why they failed."""

    def __init__(self, place: Place, case: str, on_line: OnLine, cancelled: Cancelled | None):
        self._place, self._case, self._on_line, self._cancelled = place, case, on_line, cancelled

    def missing(self, requirements: str | None) -> tuple[list[str], list[str]]:
        """The guest's packages and the lines of the requirements file that are not met in the place."""
        arguments = ["missing", *([requirements] if requirements else [])]
        lines: list[str] = []
        self._run([*self._script(), *arguments], "python3 does not run there", lines.append)
        return _after(MISSING, lines), _after(UNSATISFIED, lines)

    def install(self, arguments: Sequence[str], what: str, source: str) -> None:
        command = ["python3", "-m", "pip", "install", *arguments]
        self._run(command, f"{what} of {self._case} could not be installed ({source})", self._on_line)

    def install_folder(self, folder: str, source: str) -> None:
        command = [*self._script(), "install", folder]
        self._run(command, f"csrc for {self._case} could not be installed ({source})", self._on_line)

    def _script(self) -> list[str]:
        return ["python3", "-c", SCRIPT.read_text(encoding="utf-8")]

    def _run(self, command: Sequence[str], failure: str, on_line: Callable[[str], None]) -> None:
        errors = LastErrors()

        def line_seen(line: str) -> None:
            errors.take(masked(line))
            on_line(masked(line))

        try:
            status = self._place.run(command, timeout=TIMEOUT, on_line=line_seen, cancelled=self._cancelled)
        except CaseTimeout as error:
            raise CaseTimeout(f"{self._place.description}: {failure} in {TIMEOUT:g} s") from error
        if status != 0:
            raise CaseCrash("\n  ".join([f"{self._place.description}: {failure}, exit {status}:", *errors.lines()]))


def _after(prefix: str, lines: Sequence[str]) -> list[str]:
    return [line[len(prefix) :] for line in lines if line.startswith(prefix)]
