"""Keys of CASES, FlagPerf's `<case>:<framework>[:ignored…]`: what they name, and which of them a command line means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tools.config_manager import nearest
from tools.errors import ConfigError
from utils.host_config import SAFE_NAME

if TYPE_CHECKING:
    from utils.host_config import LoadedConfig


def split(name: str) -> tuple[str, str]:
    """Case and framework. Raises ConfigError where a key is not made of them."""
    parts = name.split(":")
    if len(parts) < 2 or not all(SAFE_NAME.fullmatch(part) for part in parts[:2]):
        raise ConfigError(f"CASES: '{name}' is not '<case>:<framework>', as in 'digits:pytorch_2.13'")
    return parts[0], parts[1]


def short_name(name: str) -> str:
    """What of a key names the case's folder of results: `<case>:<framework>`."""
    return ":".join(name.split(":")[:2])


def shared_folders(loaded: LoadedConfig) -> Iterator[str]:
    """A complaint for each key of CASES whose results would go where those of an earlier one go."""
    first: dict[str, str] = {}
    for name in loaded.config.CASES:
        other = first.setdefault(short_name(name).lower(), name)  # not every file system tells capitals from small letters
        if other != name:
            what = f"'{name}' and '{other}' ({loaded.where('CASES', other)}) have one folder of results"
            yield f"{loaded.where('CASES', name)}: CASES: {what}: only <case>:<framework> counts, capitals do not; remove one"


def is_wanted(name: str, cases: Sequence[str]) -> bool:
    """Whether the command line's `cases` name this key of CASES; without any, all are wanted."""
    return not cases or not set(_names_of(name)).isdisjoint(cases)


def check_wanted(cases: Sequence[str], loaded: LoadedConfig) -> None:
    """Raises ConfigError where the command line names a case that CASES has not."""
    names = loaded.config.CASES
    for case in cases:
        if not any(is_wanted(name, [case]) for name in names):
            known = [each for name in names for each in _names_of(name)]
            raise ConfigError(f"--case {case}: not in CASES of {loaded.path}{nearest(case, known)}; add it there")


def _names_of(name: str) -> tuple[str, ...]:
    """What the command line may call a key of CASES: all of it, its first two parts, the first."""
    return name, short_name(name), name.partition(":")[0]
