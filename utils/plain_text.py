"""Text without what steers a terminal: what builds, guests, hosts and their tools print is to be read, never obeyed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, the cursor, what clears
    r"|(?:\x1b[PX\]^_]|[\x90\x98\x9d-\x9f])[^\x00-\x08\x0a-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS …: titles, links
    r"|\x1b[ -/]*[0-~]?"
)
"""Source: ECMA-48, 5.3 to 5.6. A string without its end loses only its beginning: the rest may be what somebody has to read."""

_BREAK = re.compile(r"[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_STEERING = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters of both sets, and what changes the direction of writing; line ends and tabs stay."""

_ANY = re.compile(rf"\r|{_BREAK.pattern}|{_STEERING.pattern}")


_ANY_BYTES = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
"""What _ANY finds, in UTF-8."""


def may_steer(text: bytes) -> bool:
    """Whether there is anything in it that `plain` takes out; much quicker than that."""
    return _ANY_BYTES.search(text) is not None


def plain(text: str) -> str:
    """Return the text with nothing in it that a terminal obeys; its lines, and blanks within them, stay.

    What a backspace takes back is gone, and of a line that carriage returns rewrite the last state that says something is left.
    """
    if not _ANY.search(text):
        return text
    text = _BREAK.sub(" ", _SEQUENCE.sub("", text))
    return "\n".join(_STEERING.sub("", _without_taken_back(_last_state(line))) for line in text.split("\n"))


def plain_everywhere(value: Any) -> Any:
    """A JSON value with all its texts, and the keys of its mappings, plain."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain_everywhere(key): plain_everywhere(item) for key, item in value.items()}
    if not isinstance(value, list | tuple) or set(map(type, value)) <= {int, float}:  # a monitor's series is long
        return value
    return [plain_everywhere(item) for item in value]


def _last_state(line: str) -> str:
    return next((state for state in reversed(line.split("\r")) if state.strip()), "") if "\r" in line else line


def _without_taken_back(line: str) -> str:
    if "\b" not in line:
        return line
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
