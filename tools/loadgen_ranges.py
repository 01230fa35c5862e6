"""What loadgen's settings may be: it takes anything of the right type, and hangs or ends the process on what makes no sense."""

from __future__ import annotations

import math
from typing import Any, Callable, Tuple

MOST = 10**12
"""Above what anyone wants; loadgen reads -1 in a file as 2^64 - 1."""

_COUNTS = ("min_query_count", "samples_per_query", "latency_ns", "_latency")

_Range = Tuple[str, Callable[[Any], bool]]


def complaint(name: str, value: Any, default: Any) -> str:
    """What the setting must be, should `value` not be that, else an empty string. `default` is loadgen's, of the right type."""
    must, holds = _range(name, default)
    return "" if holds(value) else must


def _range(name: str, default: Any) -> _Range:
    if name in ("use_token_latencies", "infer_token_latencies"):
        return "false, as what is answered are whole queries, not tokens", lambda value: value is False
    if name == "server_num_issue_query_threads":
        return "0, as the clients are ours (the key 'clients')", lambda value: _is_whole(value) and value == 0
    if isinstance(default, bool):
        return "true or false", lambda value: isinstance(value, bool)
    if isinstance(default, float):
        return _number(name)
    if name.endswith("_seed"):
        return _whole(0, 2**64 - 1)
    return _whole(1 if name.endswith(_COUNTS) else 0, MOST)


def _number(name: str) -> _Range:
    if name.endswith("percentile"):
        return "a number between 0 and 1, such as 0.99", lambda value: _is_number(value) and 0 < value < 1
    if name.endswith("probability"):
        return "a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1
    return "a number above 0, at most {:g}".format(MOST), lambda value: _is_number(value) and 0 < value <= MOST


def _whole(least: int, most: int) -> _Range:
    text = "a whole number, {} or more".format(least)
    if most == MOST:
        text = "a whole number from {} to {:g}".format(least, most)
    return text, lambda value: _is_whole(value) and least <= value <= most


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
