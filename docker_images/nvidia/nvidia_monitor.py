"""The monitor of vendor nvidia: one nvidia-smi query per reading."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.monitoring.base import DeviceReading, main, monitor

FIELDS = ("index", "name", "memory.used", "memory.total", "utilization.gpu", "power.draw", "temperature.gpu", "clocks.sm")
COMMAND = ("nvidia-smi", "--query-gpu=" + ",".join(FIELDS), "--format=csv,noheader,nounits")
MIB = 2**20


def parse(text: str) -> List[DeviceReading]:
    """Return the readings of nvidia-smi's rows. Raises ValueError, with its text, when a line is not such a row.

    What a card does not tell is in brackets: `[N/A]`, `[Not Supported]`, `[Insufficient Permissions]`, `[Unknown Error]`.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING:")]
    return [_reading([cell.strip() for cell in line.split(",")], line) for line in lines]


def _reading(cells: List[str], line: str) -> DeviceReading:
    if len(cells) != len(FIELDS) or not cells[0].isdigit():
        raise ValueError(line.strip())
    used, total, busy, watts, degrees, megahertz = [_number(cell) for cell in cells[2:]]
    return DeviceReading(
        index=int(cells[0]),
        name=None if _unknown(cells[1]) else cells[1],
        memory_used_bytes=None if used is None else used * MIB,
        memory_total_bytes=None if total is None else total * MIB,
        utilisation_percent=busy,
        power_watts=watts,
        temperature_celsius=degrees,
        frequency_mhz=megahertz,
    )


def _number(cell: str) -> Optional[float]:
    return None if _unknown(cell) else float(cell)


def _unknown(cell: str) -> bool:
    return cell.startswith("[") or cell in ("N/A", "")


if __name__ == "__main__":
    sys.exit(main(monitor("nvidia", COMMAND, parse)))
