"""The monitor of vendor nvidia: one nvidia-smi query per reading."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.monitoring.base import DeviceReading, Monitor, Read, Readings, main, read_rows, tool_readings

FIELDS = ("index", "name", "memory.used", "memory.total", "utilization.gpu", "power.draw", "temperature.gpu", "clocks.sm")
THROTTLE = "clocks_throttle_reasons.active"
"""Newer drivers print it as clocks_event_reasons.active and know both names; asked for as long as the driver knows it."""

SLOWED = 0x08 | 0x20 | 0x40 | 0x80
"""The card slows itself down: hardware slowdown, software's and hardware's for heat, the power brake. That it keeps to its power
limit (0x04) is how a card runs that is fully used. Source: NVML, nvmlClocksThrottleReasons."""

TOOL = "nvidia-smi"
MIB = 2**20


def readings() -> Read:
    """Return what takes a reading; raises what tool_readings raises."""
    asked = [*FIELDS, THROTTLE]

    def read() -> Sequence[DeviceReading]:
        try:
            return tool_readings(_command(asked), parse)
        except ValueError as error:
            if THROTTLE not in asked or "not a valid field" not in str(error):
                raise
        asked.remove(THROTTLE)
        return tool_readings(_command(asked), parse)

    return read


def _command(fields: Sequence[str]) -> Sequence[str]:
    return (TOOL, "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits")


def parse(text: str) -> Readings:
    """Return the readings of nvidia-smi's rows, complaining of each line that is not such a row: of a card that is lost, say.
    Raises ValueError, with its text, when no line is one.

    What a card does not tell is in brackets: `[N/A]`, `[Not Supported]`, `[Insufficient Permissions]`, `[Unknown Error]`. One
    that tells nothing (`[GPU is lost]`) was not read.
    """
    return read_rows((line for line in text.splitlines() if line.strip() and not line.startswith("WARNING:")), _reading)


def _reading(line: str) -> DeviceReading:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) not in (len(FIELDS), len(FIELDS) + 1) or not cells[0].isdigit() or all(map(_unknown, cells[1:])):
        raise ValueError(line.strip())
    used, total, busy, watts, degrees, megahertz = [_number(cell) for cell in cells[2 : len(FIELDS)]]
    return DeviceReading(
        index=int(cells[0]),
        name=None if _unknown(cells[1]) else cells[1],
        memory_used_bytes=None if used is None else used * MIB,
        memory_total_bytes=None if total is None else total * MIB,
        utilisation_percent=busy,
        power_watts=watts,
        temperature_celsius=degrees,
        frequency_mhz=megahertz,
        throttled_percent=_throttled(cells[len(FIELDS) :]),
    )


def _number(cell: str) -> Optional[float]:
    return None if _unknown(cell) else float(cell)


def _throttled(cells: Sequence[str]) -> Optional[float]:
    if not cells or _unknown(cells[0]):
        return None
    return 100.0 if int(cells[0], 16) & SLOWED else 0.0


def _unknown(cell: str) -> bool:
    return cell.startswith("[") or cell in ("N/A", "ERR!", "")


if __name__ == "__main__":
    sys.exit(main(Monitor("nvidia", readings(), TOOL)))
