"""The published peaks of a vendor's chips: reads `docker_images/<vendor>/chips.yaml` and finds a device in it by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.config_manager import load_yaml
from tools.errors import ConfigError

PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8", "int4")
KEYS = {"name", "match", "peak_flops", "memory_bytes_per_second", "tdp_watts", "notes", "source"}


@dataclass(frozen=True)
class Chip:
    """One chip as its maker publishes it. `peak_flops` is per precision, dense, of one device, a multiply-add counted as two.

    `match` is a regular expression for the whole name that the vendor's tool prints.
    """

    name: str
    match: str
    peak_flops: Mapping[str, float]
    source_title: str
    source_url: str
    memory_bytes_per_second: float | None = None
    tdp_watts: float | None = None
    notes: str = ""

    @property
    def source(self) -> str:
        """Where the figures come from, for a reader."""
        return f"{self.name}: {self.source_title}, {self.source_url}"


def find_chip(chips_yaml: Path, device_name: str) -> Chip | None:
    """Return the chip whose `match` is the whole of `device_name`; None for an unknown one, or where there is no such file.

    Raises ConfigError when the file is not a chips.yaml.
    """
    chips = load_chips(chips_yaml) if chips_yaml.exists() else ()
    return next((chip for chip in chips if re.fullmatch(chip.match, device_name.strip())), None)


def load_chips(chips_yaml: Path) -> tuple[Chip, ...]:
    """Read a whole chips.yaml. Raises ConfigError, naming the file and the chip, when something in it is missing or wrong."""
    raw = load_yaml(chips_yaml).values
    if set(raw) != {"chips"} or not isinstance(raw["chips"], list):
        raise ConfigError(f"{chips_yaml}: expected one key, 'chips', with a list")
    return tuple(_chip(f"{chips_yaml}: chip {number}", entry) for number, entry in enumerate(raw["chips"], start=1))


def _chip(where: str, entry: Any) -> Chip:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is not a mapping")
    where = f"{where} ({entry.get('name')})"
    unknown = sorted(map(str, set(entry) - KEYS))
    if unknown:
        raise ConfigError(f"{where} has an unknown key {unknown[0]!r}; there are {', '.join(sorted(KEYS))}")
    source = entry.get("source")
    if not isinstance(source, dict) or not str(source.get("url", "")).startswith("https://") or not source.get("title"):
        raise ConfigError(f"{where} needs a source with a title and an https url: a peak without one is a rumour")
    return Chip(
        name=_text(where, entry, "name"),
        match=_pattern(where, _text(where, entry, "match")),
        peak_flops=_peaks(where, entry.get("peak_flops")),
        source_title=str(source["title"]),
        source_url=str(source["url"]),
        memory_bytes_per_second=_optional(where, entry, "memory_bytes_per_second"),
        tdp_watts=_optional(where, entry, "tdp_watts"),
        notes=str(entry.get("notes", "")),
    )


def _peaks(where: str, raw: Any) -> dict[str, float]:
    if not isinstance(raw, dict) or not raw:
        raise ConfigError(f"{where}: peak_flops must be a mapping of precision to FLOPS")
    unknown = sorted(set(map(str, raw)) - set(PRECISIONS))
    if unknown:
        raise ConfigError(f"{where}: peak_flops has an unknown precision {unknown[0]!r}; there are {', '.join(PRECISIONS)}")
    return {precision: _number(f"{where}: peak_flops.{precision}", value) for precision, value in raw.items()}


def _pattern(where: str, text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"{where}: match is not a regular expression: {error}") from error
    return text


def _text(where: str, entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} needs {key!r}")
    return value


def _optional(where: str, entry: dict[str, Any], key: str) -> float | None:
    return None if entry.get(key) is None else _number(f"{where}: {key}", entry[key])


def _number(where: str, value: Any) -> float:
    """Read a positive number; YAML 1.1 loads `312e12` as text."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigError(f"{where} must be a number above 0, not {value!r}")
    return number
