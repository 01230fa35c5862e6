"""Which texts a configuration may have: none that a file name, a terminal or a command line cannot carry unharmed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

LINES_ALLOWED = ("ACCE_CONTAINER_OPT", "BUILD_ARGS")
"""Keys whose values may run over several lines."""

_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINES = re.compile("[\t\n]")
_USER = re.compile(r"[^\s\-'\"#%=,][^\s'\"#%=,]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def unusable(value: Any, *path: str) -> Iterator[str]:
    """Say for each text in a value, and for each key, what in it cannot be used; `path` is how the value is called."""
    if isinstance(value, str):
        text = _LINES.sub("", value) if LINES_ALLOWED[0] in path or path[:1] == LINES_ALLOWED[1:] else value
        found = _UNUSABLE.search(text)
        if found is not None:
            yield f"{_called(path)}: a character that cannot be used is in it ({ascii(found[0])[1:-1]}); write it without"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from unusable(str(key), *path[:1])
            yield from unusable(item, *path, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from unusable(item, *path)


def user_name(value: str | None) -> str | None:
    """A user's name. Raises ValueError for one that would mean something else in ~/.ssh/config or to ssh."""
    if value is not None and not _USER.fullmatch(value):
        raise ValueError("must be the name of a user, without blanks, quotes and a leading dash")
    return value


def variable_name(value: str | None) -> str | None:
    """An environment variable's name. Raises ValueError for what is none."""
    if value is not None and not _VARIABLE.fullmatch(value):
        raise ValueError("must be the name of an environment variable")
    return value


def is_loopback(host: str) -> bool:
    """Whether a name means this machine without asking anybody: localhost, 127.0.0.0/8, ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in {"localhost", "localhost.localdomain", "ip6-localhost"}


def _called(path: tuple[str, ...]) -> str:
    return path[0] + "".join(f"[{part!a}]" for part in path[1:])
