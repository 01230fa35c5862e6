"""What a Dockerfile tells without being built: the arguments it declares and the images it begins with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from string import Template

PREDEFINED_ARGS = frozenset(
    name for proxy in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy") for name in (proxy, proxy.upper())
)
"""Arguments that a Dockerfile has without declaring them. Source: https://docs.docker.com/reference/dockerfile/#predefined-args"""


def declared_args(text: str) -> dict[str, str | None]:
    """Each argument declared by ARG, with its default or None."""
    declared: dict[str, str | None] = {}
    for word, rest in _instructions(text):
        if word == "ARG":
            for entry in shlex.split(rest, comments=False):
                name, separator, default = entry.partition("=")
                declared[name] = default if separator else declared.get(name)
    return declared


def image_of(from_line: str, text: str, build_args: Mapping[str, str]) -> str:
    """The image that a FROM instruction (`FROM ${BASE_IMAGE} AS base`) names, its variables resolved as far as they are known."""
    image = next((word for word in from_line.split()[1:] if not word.startswith("--")), "")
    known = {name: default for name, default in declared_args(text).items() if default is not None}
    return Template(image).safe_substitute({**known, **build_args})


def variable_of(from_line: str) -> str | None:
    """The argument that gives a FROM instruction its image; None where the image is written out."""
    match = re.search(r"\$\{?(\w+)", from_line)
    return match[1] if match else None


def after_each_from(text: str, line: str) -> str:
    """The Dockerfile with one more instruction at the beginning of each of its stages."""
    lines: list[str] = []
    instruction = ""
    for each in text.splitlines():
        lines.append(each)
        if each.lstrip().startswith("#"):
            continue
        instruction += each.strip()
        if instruction.endswith("\\"):
            continue
        if instruction.partition(" ")[0].upper() == "FROM":
            lines.append(line)
        instruction = ""
    return "\n".join(lines) + "\n"


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """(instruction in capitals, the rest of it) with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()
