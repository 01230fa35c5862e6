"""The keys of a case's configurations.yaml: each with its check, its default, and whether it may be null or must be there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Sequence, Tuple

from tools.config_file import parse_number

PRECISIONS = ("fp32", "fp16", "bf16", "int8")

SCENARIOS = ("dataset", "SingleStream", "MultiStream", "Server", "Offline")
"""How queries come: a pass over the data set, or as MLPerf's loadgen sends them."""


def by_loadgen(scenarios: Sequence[str]) -> Tuple[str, ...]:
    """Those that loadgen drives."""
    return tuple(name for name in scenarios if name != "dataset")


MOST_CLIENTS = 1024

LONGEST_NAME = 100
"""Of a module: with what is added, no file system finds it too long."""

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


def _whole(minimum: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError("must be a whole number, {} or more".format(minimum))
        return value

    return check


def _amount(value: Any) -> float:
    number = parse_number(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError("must be a number, 0 or more")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def _module(value: Any) -> str:
    if not isinstance(value, str) or not value.isidentifier() or not value.isascii() or len(value) > LONGEST_NAME:
        raise ValueError("must be the name of a module in inference_engine/<vendor>, or null")
    return value


def _precision(value: Any) -> str:
    if value not in PRECISIONS:
        raise ValueError("must be one of {}".format(", ".join(PRECISIONS)))
    return str(value)


def _names(value: Any) -> Tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of names")
    return tuple(value)


def _counts(value: Any) -> Tuple[int, ...]:
    """Whole numbers from 1 up, each once, in rising order."""
    items = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) and item >= 1 for item in items):
        raise ValueError("must be a list of whole numbers, 1 or more")
    return tuple(sorted(set(items)))


def _clients(value: Any) -> Tuple[int, ...]:
    counts = _counts(value)
    if counts and counts[-1] > MOST_CLIENTS:
        raise ValueError("must be at most {} clients, which are threads of one process".format(MOST_CLIENTS))
    return counts


def _percentiles(value: Any) -> Tuple[float, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(item, (int, float)) and float(item) in PERCENTILES for item in items):
        raise ValueError("must be a list of {}".format(", ".join("{:g}".format(percent) for percent in PERCENTILES)))
    return tuple(sorted(float(item) for item in set(items)))


def _scenarios(value: Any) -> Tuple[str, ...]:
    names = _names([value] if isinstance(value, str) else value)
    for name in names:
        if name not in SCENARIOS:
            raise ValueError("must be a list of {}".format(", ".join(SCENARIOS)))
    return tuple(name for name in SCENARIOS if name in names)


def _loadgen(value: Any) -> Dict[str, Dict[str, Any]]:
    """Settings by scenario, e.g. `{Server: {target_qps: 100}}`; their names are loadgen's and are checked where they are used."""
    if not isinstance(value, dict) or not all(key in SCENARIOS[1:] and isinstance(item, dict) for key, item in value.items()):
        raise ValueError(
            "must be settings by scenario ({}), e.g. {{Server: {{target_qps: 100}}}}".format(", ".join(SCENARIOS[1:]))
        )
    return value


def _share(value: Any) -> float:
    """A percentage above 0 and up to 100."""
    number = _amount(str(value)[:-1] if str(value).endswith("%") else value)
    if not 0 < number <= 100:
        raise ValueError("must be a percentage, above 0 and up to 100")
    return number


def _target(value: Any) -> Any:
    """An absolute accuracy, or a share of the validation's as text (`99%`)."""
    if isinstance(value, str) and value.endswith("%"):
        return "{:g}%".format(_share(value))
    return _amount(value)


@dataclass(frozen=True)
class Key:
    """One known key of configurations.yaml: its check, its default, and whether it may be null or must be there."""

    check: Callable[[Any], Any]
    default: Any = None
    nullable: bool = False
    required: bool = False


KEYS: Dict[str, Key] = {
    "batch_size": Key(_whole(1), required=True),
    "compiler": Key(_module, nullable=True, required=True),
    "input_size": Key(_amount, nullable=True),
    "flops": Key(_amount, nullable=True),
    "fp16": Key(_flag, default=False),
    "num_workers": Key(_whole(0), default=0),
    "log_freq": Key(_whole(1), default=30),
    "repeat": Key(_whole(1), default=1),
    "no_validation": Key(_flag, default=False),
    "exist_onnx_path": Key(_text, nullable=True),
    "exist_compiler_path": Key(_text, nullable=True),
    "precision": Key(_precision, nullable=True),
    "warmup": Key(_whole(0), default=10),
    "warmup_limit": Key(_amount, default=30.0),
    "percentiles": Key(_percentiles, default=(50.0, 90.0)),
    "min_seconds": Key(_amount, default=0.0),
    "threads": Key(_whole(1), nullable=True),
    "opset": Key(_whole(7), default=18),
    "dynamic_batch": Key(_flag, default=False),
    "builtin_data": Key(_names, default=()),
    "scenarios": Key(_scenarios, default=("dataset",)),
    "loadgen": Key(_loadgen, default={}),
    "mlperf_conf": Key(_text, nullable=True),
    "user_conf": Key(_text, nullable=True),
    "batch_sizes": Key(_counts, default=()),
    "clients": Key(_clients, default=()),
    "accuracy_target": Key(_target, nullable=True),
    "data_percent": Key(_share, default=100.0),
    "max_samples": Key(_whole(1), nullable=True),
    "calibration_samples": Key(_whole(1), default=128),
    "compile_only": Key(_flag, default=False),
    "audit": Key(_flag, default=False),
    "profile": Key(_flag, default=False),
}
