"""The border to MLPerf's loadgen: runs one test of its library and reads what it wrote."""

from __future__ import annotations

import atexit
import importlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from loguru import logger

from tools.deferred_signals import deferred_signals, given_up_after
from tools.errors import CaseCrash, ConfigError, Interrupted
from tools.load_sut import LoadSUT

SUMMARY, TRACE = "mlperf_log_summary.txt", "mlperf_log_trace.json"

GIVE_UP_SECONDS = 4.0
"""An interrupted test that has not ended in this time never may; whoever interrupts kills some seconds later."""

_COMPLETED = re.compile(r'"complete_ns":(\d+)')

_METRICS = {
    "Server": ("Completed samples per second", "Scheduled samples per second"),
    "Offline": ("Samples per second",),
}


@dataclass(frozen=True)
class Summary:
    """What loadgen says of a performance test: `lines` by their names as in its summary, its verdict and why it is no better."""

    lines: Mapping[str, str]
    valid: bool
    reasons: Tuple[str, ...]


def load_library() -> Any:
    """MLPerf's loadgen. Raises ConfigError where it is not installed."""
    try:
        return importlib.import_module("mlperf_loadgen")
    except ImportError as error:
        text = "scenarios need MLPerf's loadgen ({}): {} -m pip install mlcommons-loadgen"
        raise ConfigError(text.format(error, sys.executable)) from error


def run_test(lg: Any, settings: Any, sut: LoadSUT, samples: int, resident: int, folder: Path, trace: bool = False) -> None:
    """Run one test over `samples` samples, `resident` of them loaded at a time; its logs go into `folder`.

    Raises what the engine or the case raised, KeyboardInterrupt when it was interrupted, each after loadgen has ended, and
    ConfigError when nothing can be written into `folder`. An interrupted test that loadgen does not end is given up: it is left
    where it has a thread of its own, else the process ends.
    """
    logs = lg.LogSettings()
    logs.enable_trace = trace
    logs.log_output.outdir = _writable(folder)
    logs.log_output.copy_summary_to_stdout = False
    system, library = lg.ConstructSUT(sut.issue, sut.flush), lg.ConstructQSL(samples, resident, sut.load, sut.unload)
    try:
        with given_up_after(GIVE_UP_SECONDS, _give_up), deferred_signals(sut.interrupt):
            # the last argument: no audit.config that lies about in the current folder
            sut.run(lambda: lg.StartTestWithLogSettings(system, library, settings, logs, ""))
    finally:
        if sut.left:  # what still runs needs both, and does not survive the end of the libraries
            atexit.register(_end_process, Interrupted.exit_code if sys.exc_info()[0] is KeyboardInterrupt else 1)
        else:
            lg.DestroyQSL(library)
            lg.DestroySUT(system)
    if sut.error is not None:
        raise sut.error


def _give_up() -> None:
    """The main thread is loadgen's and does not come back; result.json, with what was measured before, is on disk."""
    logger.error("loadgen did not end within {:.0f} s of being interrupted, so the process ends", GIVE_UP_SECONDS)
    _end_process(Interrupted.exit_code)


def _end_process(code: int) -> None:
    """End without the C++ libraries' own tidying up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _writable(folder: Path) -> str:
    """The folder, made; loadgen cannot be called again in this process after it could not open its logs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SUMMARY).write_text("", encoding="utf-8")
    except OSError as error:
        raise ConfigError("loadgen's logs cannot be written: {}".format(error)) from error
    return str(folder)


def read_summary(folder: Path) -> Summary:
    """Read mlperf_log_summary.txt. Raises CaseCrash when it has no verdict."""
    lines = _lines((folder / SUMMARY).read_text(encoding="utf-8"))
    verdict = lines.get("Result is")
    if verdict is None:
        raise CaseCrash("loadgen ended without a result; see {}".format(folder / "mlperf_log_detail.txt"))
    failed = [key + ": no" for key, value in lines.items() if value == "NO"]
    advice = [lines.get("Recommendations", "")]
    if lines.get("Early stopping satisfied") == "NO":
        advice.append(lines.get("Early Stopping Result", ""))
    valid = verdict == "VALID"
    return Summary(lines, valid, () if valid else tuple(text for text in failed + advice if text))


def _lines(text: str) -> Dict[str, str]:
    """`key : value` lines; the bullets below a `heading:` are its value."""
    found: Dict[str, str] = {}
    heading = ""
    for line in text.splitlines():
        key, colon, value = (" ".join(part.split()) for part in line.partition(":"))
        if line.startswith(" * ") or (heading in found and line.startswith(" ") and not colon):
            found[heading] = " ".join([*found.get(heading, "").split(), *line.strip(" *").split()])
        elif colon and value:
            found[key] = value
        elif colon:
            heading = key
    return found


def metric(scenario: str, summary: Mapping[str, str], percentile: float) -> Tuple[Optional[float], str]:
    """The scenario's own figure and its unit: samples/s, or ns for the latency that early stopping proves (else the percentile).

    `percentile` is the scenario's (0..1), for those whose figure is a latency. Source: MLPerf inference rules, metrics.
    """
    if scenario in _METRICS:
        found = [summary[name] for name in _METRICS[scenario] if name in summary]
        return (float(found[0]) if found else None), "samples/s"
    wanted = "{:.1f}th percentile".format(100 * percentile)
    proved = re.search(re.escape(wanted) + r" estimate: (\d+)", summary.get("Early Stopping Result", ""))
    text = proved.group(1) if proved else summary.get(wanted + " latency (ns)")
    return (float(text) if text else None), "ns"


def traced_latencies(folder: Path) -> List[int]:
    """Each sample's latency in ns from its scheduled arrival, out of loadgen's trace, which is large and removed then."""
    path = folder / TRACE
    with path.open(encoding="utf-8", errors="replace") as stream:
        found = [match.group(1) for match in map(_COMPLETED.search, stream) if match]
    path.unlink()
    return [int(text) for text in found]
