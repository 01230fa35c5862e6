"""Reads what a monitor logged: Accelmark's JSON lines itself, FlagPerf's formats through the vendor's own analysis."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.errors import ConfigError
from utils.guest_files import MOST_LOG_BYTES, Refused, open_plain
from utils.monitoring.chips import Chip, find_chip
from utils.monitoring.model import MonitorSummary
from utils.monitoring.reader import Reader, decoded

GIB = 2**30
LONGEST_LINE = 2**20


class ForeignLog(ValueError):
    """A log that Accelmark's monitors did not write."""


def summarise(
    vendor_folder: Path, vendor: str, path: Path, start: float | None = None, stop: float | None = None
) -> MonitorSummary:
    """Return what the log of a vendor's monitor says, with the peaks of its chip; never raises for a log's or an analysis' sake.

    `vendor_folder` is docker_images/<vendor> (or utils for the system monitor, `sys`). A log of another format has only what
    its `<vendor>_analysis.py` returns. What went wrong stands in `errors`.
    """
    try:
        summary = read_log(path, start, stop)
        if (vendor_folder / "chips.yaml").exists():
            return _with_chip(summary, vendor_folder / "chips.yaml")
        return _with_analysed_peaks(summary, vendor_folder, vendor, path)
    except ForeignLog:
        return _foreign(vendor_folder, vendor, path)
    except ConfigError as error:
        return replace(summary, errors=(*summary.errors, str(error)))
    except (OSError, Refused) as error:
        return MonitorSummary(vendor, 0, errors=(f"{path.name}: {getattr(error, 'strerror', None) or error}",))


def read_log(path: Path, start: float | None = None, stop: float | None = None) -> MonitorSummary:
    """Read one of Accelmark's monitor logs. Statistics and energy are those of the window from `start` to `stop` (seconds since
    the epoch); the series are of the whole log.

    Lines that cannot be read are counted in `errors`. Raises ForeignLog when it is another format, Refused when it is no plain
    file or too long (the guest may write where it lies), OSError.
    """
    with open_plain(path, MOST_LOG_BYTES) as raw, io.TextIOWrapper(raw, encoding="utf-8", errors="replace") as stream:
        header = decoded(stream.readline(LONGEST_LINE))
        if "accelmark_monitor" not in header:
            raise ForeignLog(f"{path.name} is not a log of Accelmark's monitors")
        reader = Reader(header, -math.inf if start is None else start, math.inf if stop is None else stop)
        while line := stream.readline(LONGEST_LINE):
            reader.take(line)
    summary = reader.summary()
    return summary if start is None or stop is None else replace(summary, window=(start, stop))


def analysis(vendor_folder: Path, vendor: str, path: Path) -> tuple[float, ...]:
    """Return what `<vendor>_analysis.py: analysis_log(path)` returns: (max used GiB, total GiB), or those and (peak fp32 FLOPS,
    peak fp16 FLOPS). Raises ValueError when there is none, it fails, or it returns something else."""
    script = vendor_folder / f"{vendor}_analysis.py"
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None or not script.exists():
        raise ValueError(f"{script} does not exist")
    module = importlib.util.module_from_spec(spec)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            spec.loader.exec_module(module)
            values = tuple(float(value) for value in module.analysis_log(str(path)))
    except (Exception, SystemExit) as error:
        raise ValueError(f"{script.name}: {type(error).__name__}: {error}") from error
    if len(values) not in {2, 4} or not all(map(math.isfinite, values)):
        raise ValueError(f"{script.name}: analysis_log must return 2 or 4 numbers, it returned {values}")
    return values


def flagperf_values(path: Path, chips_yaml: Path) -> tuple[float, float, float, float]:
    """Return FlagPerf's four values for one of Accelmark's logs; what is not known is 0.

    Raises OSError, ForeignLog, ConfigError.
    """
    summary = _with_chip(read_log(path), chips_yaml)
    peaks = summary.peak_flops or {}
    used, total = summary.memory_used_max_bytes or 0.0, summary.memory_total_bytes or 0.0
    return round(used / GIB, 2), round(total / GIB, 2), peaks.get("fp32", 0.0), peaks.get("fp16", 0.0)


def with_peaks(summary: MonitorSummary, chip: Chip | None) -> MonitorSummary:
    """Return the summary with the published peaks of `chip`; without any where that is None."""
    return replace(
        summary,
        peak_flops=dict(chip.peak_flops) if chip else None,
        peak_bytes_per_second=chip.memory_bytes_per_second if chip else None,
        peak_source=chip.source if chip else None,
    )


def _with_chip(summary: MonitorSummary, chips_yaml: Path) -> MonitorSummary:
    return with_peaks(summary, find_chip(chips_yaml, summary.chip) if summary.chip else None)


def _with_analysed_peaks(summary: MonitorSummary, vendor_folder: Path, vendor: str, path: Path) -> MonitorSummary:
    """Take the peaks that a vendor without chips.yaml has in its analysis."""
    if not (vendor_folder / f"{vendor}_analysis.py").exists():
        return summary
    try:
        return replace(summary, **_analysed_peaks(vendor, analysis(vendor_folder, vendor, path)))
    except ValueError as error:
        return replace(summary, errors=(*summary.errors, str(error)))


def _foreign(vendor_folder: Path, vendor: str, path: Path) -> MonitorSummary:
    try:
        values = analysis(vendor_folder, vendor, path)
    except ValueError as error:
        return MonitorSummary(vendor, 0, errors=(str(error),))
    used, total = (value * GIB if value > 0 else None for value in values[:2])
    summary = MonitorSummary(vendor, 0, memory_used_max_bytes=used, memory_total_bytes=total)
    return replace(summary, **_analysed_peaks(vendor, values))


def _analysed_peaks(vendor: str, values: tuple[float, ...]) -> dict[str, Any]:
    peaks = {precision: flops for precision, flops in zip(("fp32", "fp16"), values[2:], strict=False) if flops > 0}
    return {"peak_flops": peaks, "peak_source": f"{vendor}_analysis.py"} if peaks else {}
