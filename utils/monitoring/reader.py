"""Takes the lines of one of Accelmark's monitor logs, whatever is in them, and says what they say; in little memory, fast."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from typing import Any, NoReturn, cast

from utils.monitoring.model import MonitorSummary, Series
from utils.monitoring.series import Column, Energy, spread

UNITS = {
    "memory_used_bytes": "B",
    "utilisation_percent": "%",
    "power_watts": "W",
    "temperature_celsius": "°C",
    "frequency_mhz": "MHz",
    "throttled_percent": "%",
    "load_average": "",
    "steal_percent": "%",
    "cpu_pressure_percent": "%",
    "swap_used_bytes": "B",
}
SUMMED = ("memory_used_bytes", "memory_total_bytes", "power_watts")
QUANTITIES = {*UNITS, *SUMMED}
BATCH = 128
"""Lines that are turned into columns at once: much faster than value by value, and small enough for the processor's cache."""
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)
COVERED = 0.9
"""The share of the window that readings must cover before energy goes unremarked."""
ERRORS_SHOWN = 20

Row = dict[str, Any]
Points = tuple["array[float]", "array[float]"]
NO_POINTS: Points = (array("d"), array("d"))
Table = dict[int, dict[str, Points]]


class Reader:
    """Takes a log line by line; statistics count those from `start` to `stop`, series show all."""

    def __init__(self, header: Mapping[str, Any], start: float, stop: float) -> None:
        self._monitor = str(header.get("monitor", ""))
        interval = header.get("interval")
        self._gap = max(15.0, 4 * interval) if isinstance(interval, (int, float)) else 15.0
        self._window = (start, stop)
        self._rows: list[Row] = []
        self._devices: dict[int, _Device] = {}
        self._totals = {name: Column(start, stop) for name in SUMMED}
        self._readings = self._unreadable = 0
        self._errors: Counter[str] = Counter()

    def take(self, line: str) -> None:
        """Take one line; one that cannot be read is counted."""
        record = decoded(line)
        if "index" in record and "time" in record:
            self._rows.append(record)
            if len(self._rows) >= BATCH:
                self._flush()
        elif "error" in record:
            self._errors[str(record["error"])] += 1
        elif "accelmark_monitor" not in record and not line.isspace():
            self._unreadable += 1

    def summary(self) -> MonitorSummary:
        """Return what the lines so far say."""
        self._flush()
        devices = [self._devices[index] for index in sorted(self._devices)]
        spreads = {name: spread(device.columns[name] for device in devices) for name in UNITS}
        totals = {name: spread([column]) for name, column in self._totals.items()}
        used, total = totals["memory_used_bytes"], totals["memory_total_bytes"]
        powered = [device.energy for device in devices if device.energy.seconds > 0]
        names = list(dict.fromkeys(device.name for device in devices if device.name))
        return MonitorSummary(
            monitor=self._monitor,
            readings=self._readings,
            devices=tuple(device.label for device in devices),
            chip=names[0] if len(names) == 1 else None,
            memory_used_max_bytes=used.maximum if used else None,
            memory_total_bytes=total.maximum if total else None,
            utilisation_percent=spreads["utilisation_percent"],
            power_watts=totals["power_watts"],
            energy_joules=math.fsum(energy.joules for energy in powered) if powered else None,
            temperature_celsius=spreads["temperature_celsius"],
            frequency_mhz=spreads["frequency_mhz"],
            load_average=spreads["load_average"],
            steal_percent=spreads["steal_percent"],
            cpu_pressure_percent=spreads["cpu_pressure_percent"],
            swap_used_bytes=spreads["swap_used_bytes"],
            series=tuple(_series(name, device) for name in UNITS for device in devices if device.columns[name].times),
            errors=self._remarks(powered, names),
            window=self._window if all(map(math.isfinite, self._window)) else None,
        )

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        try:
            self._add(rows)
        except UNREADABLE:
            good = [row for row in rows if _readable(row)]
            self._unreadable += len(rows) - len(good)
            self._add(good)

    def _add(self, rows: list[Row]) -> None:
        """Take rows, all or (raising one of UNREADABLE) none."""
        alike = [list(group) for _, group in groupby(rows, key=lambda row: (list(row), row["index"]))]
        for group, table in [(group, _table(group)) for group in alike]:
            self._add_table(group, table)

    def _add_table(self, rows: list[Row], table: Table) -> None:
        names = dict(zip(table, rows[0].get("name") or (), strict=False))
        for index, columns in table.items():
            device = self._devices.setdefault(index, _Device(index, names.get(index), self._window, self._gap))
            for quantity in UNITS.keys() & columns.keys():
                device.columns[quantity].extend(*columns[quantity])
            device.energy.extend(*columns.get("power_watts", NO_POINTS))
        for quantity in SUMMED:
            self._totals[quantity].extend(*_totals(table, quantity))
        start, stop = self._window
        self._readings += sum(start <= row["time"] <= stop for row in rows)

    def _remarks(self, powered: list[Energy], names: list[str]) -> tuple[str, ...]:
        remarks = [text if count == 1 else f"{text} ({count} times)" for text, count in self._errors.most_common(ERRORS_SHOWN)]
        if self._unreadable:
            remarks.append(f"{self._unreadable} {'line is' if self._unreadable == 1 else 'lines are'} not readable")
        if len(names) > 1:
            remarks.append(f"the devices differ ({', '.join(names)}), so there is no peak")
        length = self._window[1] - self._window[0]
        covered = min((energy.seconds for energy in powered), default=length)
        if math.isfinite(length) and covered < COVERED * length:
            remarks.append(f"power was read for {covered:.1f} s of {length:.1f} s only, so the energy is too low")
        return tuple(remarks)


class _Device:
    """One device's columns, and its energy."""

    def __init__(self, index: int, name: str | None, window: tuple[float, float], gap: float) -> None:
        self.name = str(name) if name else None
        self.label = f"{index}: {name}" if name else str(index)
        self.columns = {quantity: Column(*window) for quantity in UNITS}
        self.energy = Energy(*window, gap)


def decoded(line: str) -> dict[str, Any]:
    """Return a line's JSON object; an empty one where it is something else."""
    try:
        record = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no reading")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _table(rows: list[Row]) -> Table:
    """Return times and values per device and quantity, of rows with the same devices and quantities.

    Raises one of UNREADABLE when a row is not a reading.
    """
    times = array("d", [row["time"] for row in rows])
    if not isinstance(rows[0].get("name", []), list):
        raise TypeError("name is no list")
    table: Table = {int(index): {} for index in rows[0]["index"]}
    for quantity in QUANTITIES & rows[0].keys():
        by_device = zip(*(row[quantity] for row in rows), strict=True)
        for device, values in zip(table.values(), by_device, strict=True):
            device[quantity] = _points(times, values)
    return table


def _points(times: array[float], values: tuple[float | None, ...]) -> Points:
    if None not in values:
        return times, array("d", cast("tuple[float, ...]", values))
    points = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    return array("d", [time for time, _ in points]), array("d", [value for _, value in points])


def _totals(table: Table, quantity: str) -> Points:
    """Return the sum over the devices that report a quantity, for each time one does."""
    columns = [device[quantity] for device in table.values() if quantity in device]
    if columns and all(times is columns[0][0] for times, _ in columns):
        return columns[0][0], array("d", map(sum, zip(*(values for _, values in columns), strict=True)))
    sums: dict[float, float] = {}
    for times, values in columns:
        for time, value in zip(times, values, strict=True):
            sums[time] = sums.get(time, 0.0) + value
    return array("d", sums), array("d", sums.values())


def _readable(row: Row) -> bool:
    try:
        _table([row])
    except UNREADABLE:
        return False
    return True


def _series(name: str, device: _Device) -> Series:
    column = device.columns[name]
    return Series(name, UNITS[name], device.label, column.times.tolist(), column.values.tolist())
