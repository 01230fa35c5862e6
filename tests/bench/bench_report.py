"""Seconds, memory and bytes that a run's report costs: 8 devices with 6 thinned quantities each, a million latencies.

PYTHONPATH=.:tests/unit python tests/bench/bench_report.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from report_example import STARTED, make_case_report, make_monitor, make_report, make_result

from tools.contract import LATENCIES_FILE
from utils.monitoring.model import Series
from utils.report.pages import write

PLAIN = "import jinja2, numpy, pydantic, plotly.offline"


def long_monitor():
    rng = np.random.default_rng(0)
    times = [STARTED + 72.0 * place for place in range(500)]
    names = (("power", "W"), ("utilisation", "%"), ("memory", "B"), ("temperature", "°C"), ("frequency", "MHz"), ("load", ""))
    series = [Series(name, unit, str(device), times, list(rng.random(500) * 300)) for device in range(8) for name, unit in names]
    return make_monitor(series=series)


def main() -> None:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", PLAIN], check=True)
    imports = time.perf_counter() - started
    report = make_report(make_case_report(make_result(), long_monitor()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = folder / report.cases[0].folder
        case.mkdir(parents=True)
        nanoseconds = np.random.default_rng(0).integers(1_000_000, 9_000_000, 1_000_000)
        np.savez(case / LATENCIES_FILE, inference_ns=nanoseconds, validation_ns=nanoseconds)
        started = time.perf_counter()
        write(report, folder)
        seconds = time.perf_counter() - started
        sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.glob("report.*")))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"write: {seconds:.2f} s ({seconds / imports:.1f} x importing its libraries), peak {peak:.0f} MiB; {sizes}")


if __name__ == "__main__":
    main()
