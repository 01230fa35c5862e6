"""What an engine is asked to compute in, what it says when it cannot, and what it computes in by its own report."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterable, Mapping, Optional, TypeVar

from tools.errors import ConfigError

Setting = TypeVar("Setting")

NAMES = {
    "f32": "fp32", "float32": "fp32", "fp32": "fp32",
    "f16": "fp16", "float16": "fp16", "fp16": "fp16",
    "bf16": "bf16", "bfloat16": "bf16",
    "i8": "int8", "u8": "int8", "int8": "int8", "uint8": "int8",
}  # fmt: skip
"""Accelmark's names for what runtimes call their types."""


def setting_for(config: Any, settings: Mapping[str, Setting], hint: str = "") -> Setting:
    """What `settings` has for `config.precision`. Raises ConfigError naming the precisions there are, and `hint`."""
    if config.precision not in settings:
        raise unsupported(config, "supported: {}".format(", ".join(settings)), hint)
    return settings[config.precision]


def unsupported(config: Any, fact: str, hint: str = "") -> ConfigError:
    """The error of an engine that would compute in something else than `config.precision`."""
    message = "{} on {} cannot compute in {} ({}); set another precision or compiler in configs/{}".format(
        config.compiler, config.vendor, config.precision, fact, config.case
    )
    return ConfigError("{}; {}".format(message, hint) if hint else message)


def as_it_ran(types: Iterable[str]) -> Dict[str, Any]:
    """What `describe()` says of the types in which a runtime executes its operators that multiply: convolutions, matrix products.

    `precision` is the one of most of them (None where there are none), `precision_of_operators` how many there are of each.
    """
    counts = Counter(NAMES.get(name, name) for name in types)
    most: Optional[str] = max(counts, key=lambda name: counts[name]) if counts else None
    return {"precision": most, "precision_of_operators": dict(counts)}
