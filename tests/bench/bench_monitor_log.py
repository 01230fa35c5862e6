"""Time and memory of a report over a 10-hour monitor log (2 readings a second, 8 devices), in a process of its own.

python tests/bench/bench_monitor_log.py [hours]
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES = 5.0, 300.0
READ = """
import sys, time
begin = time.perf_counter()
sys.path[:0] = ["", "tests/unit"]
from pathlib import Path
from report_example import make_case_report, make_report, make_result
from utils.monitoring.log import summarise
from utils.report.pages import write
summary = summarise(Path("docker_images/nvidia"), "nvidia", Path(sys.argv[1]))
assert not summary.errors and len(summary.devices) == 8 and summary.peak_flops, summary
write(make_report(make_case_report(make_result(), summary)), Path(sys.argv[1]).parent)
print(summary.readings, sum(len(series.times) for series in summary.series), time.perf_counter() - begin)
"""


def write_log(path: Path, readings: int) -> None:
    """A log like nvidia_monitor's, of eight busy cards."""
    with path.open("w") as log:
        log.write(json.dumps({"accelmark_monitor": 1, "monitor": "nvidia", "interval": 0.5, "started": 0.0}) + "\n")
        for number in range(readings):
            devices = [device(index, number) for index in range(8)]
            columns = {name: [one[name] for one in devices] for name in devices[0]}
            log.write(json.dumps({"time": 1.7e9 + number / 2, **columns}, separators=(",", ":")) + "\n")


def device(index: int, number: int) -> dict:
    wave = math.sin(number / 500 + index)
    return {
        "index": index,
        "name": "NVIDIA A100-SXM4-80GB",
        "memory_used_bytes": 60000000000 + int(wave * 1e9),
        "memory_total_bytes": 85899345920,
        "utilisation_percent": round(90 + 10 * wave, 1),
        "power_watts": round(350 + 50 * wave, 2),
        "temperature_celsius": 60 + round(5 * wave),
        "frequency_mhz": 1410,
    }


def main(hours: float) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nvidia_monitor.log")
        write_log(path, int(hours * 7200))
        size = path.stat().st_size
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", READ, path], cwd=ROOT, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    readings, points, inside = done.stdout.split()
    print(f"{hours:g} h, {readings} readings of 8 devices, {size / 1e6:.0f} MB -> {points} points")
    print(f"{seconds:.2f} s ({float(inside):.2f} s without the interpreter's start; limit {SECONDS:g} s)")
    print(f"{peak:.0f} MB at most (limit {MEGABYTES:g} MB)")
    return 0 if seconds < SECONDS and peak < MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10))
