"""A run that has no report yet, as it goes on or was killed: what there is of it, and what to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from utils.record import going_on, last_sign, load_recorded, parts
from utils.report.schema import Report


def so_far(folder: Path) -> Report:
    """The cases that are finished, as a report. Raises ConfigError when the run's plan.json cannot be read."""
    recorded = load_recorded(folder)
    names = list(recorded.fingerprint["cases"])
    cases = sorted(parts(folder), key=lambda case: (names.index(f"{case.case}:{case.framework}"), case.rank))
    changes = {
        "seconds": last_sign(folder) - recorded.run.started,
        "summary": dict(Counter(case.status for case in cases)),
        "resumed": [start.began for start in recorded.starts[1:]],
    }
    return Report(run=recorded.run.model_copy(update=changes), cases=cases)


def advice(folder: Path, report: Report) -> str:
    """How much is there, what is missing, and how to go on."""
    names = list(load_recorded(folder).fingerprint["cases"])
    there = {(f"{case.case}:{case.framework}", case.host) for case in report.cases}
    missing = [f"{name} on {host}" for name in names for host in report.run.hosts if (name, host) not in there]
    total = len(names) * len(report.run.hosts)
    head = f"{folder.name} has no report yet: {total - len(missing)} of {total} cases are finished"
    todo = f"; missing: {', '.join(missing)}" if missing else ""
    if going_on(folder):
        return f"{head}{todo}\nit is still going on"
    return f"{head}{todo}\nit ended early; `run.py run --resume {folder.name}` goes on with it"
