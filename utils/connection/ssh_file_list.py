"""The keywords of ~/.ssh/config that name several files: as a user writes them, and as `ssh -G` tells them, without quotes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from tools.errors import ConfigError

FILE_LISTS = ("userknownhostsfile", "globalknownhostsfile")
Exists = Callable[[str], bool]


def written_files(text: str) -> list[str]:
    """The files of a line of ~/.ssh/config, quoted where they have a blank. Raises ValueError for a quote without its end."""
    return shlex.split(text)


def told_files(text: str, homes: Iterable[str], exists: Exists) -> list[str]:
    """The files of a line of `ssh -G`; a blank in one of `homes` separates none.

    Raises ConfigError where a blank may separate two files or be part of a name.
    """
    for home in homes:
        text = text.replace(f"{home}/", f"{home}/".replace(" ", "\0"))
    groups: list[list[str]] = []
    for word in text.split(" "):
        if not groups or word.startswith(("/", "~")):
            groups.append([])
        groups[-1].append(word.replace("\0", " "))
    files = [_joined(words, exists) for words in groups]
    for pair in map(" ".join, pairwise(files)):
        if exists(pair):
            raise _ambiguous(pair)
    return files


def _joined(words: Sequence[str], exists: Exists) -> str:
    """One file whose name has blanks, which must be there: the words could also be relative paths."""
    name = " ".join(words)
    if len(words) > 1 and (not exists(name) or all(map(exists, words))):
        raise _ambiguous(name)
    return name


def _ambiguous(name: str) -> ConfigError:
    return ConfigError(
        f"~/.ssh/config: `ssh -G` does not tell whether {name!r} is one file of known hosts or several; "
        "name files without a blank, or set SSH_KNOWN_HOSTS instead of UserKnownHostsFile"
    )
