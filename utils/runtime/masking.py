"""What may be shown: secrets become stars, and what would steer a terminal is taken out."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from utils.plain_text import plain

STARS = "***"
SHORTEST = 6
"""A secret of fewer characters is masked where it is given, and not wherever the same letters stand."""

_IN_ADDRESS = re.compile(r"([A-Za-z][\w.+-]*://)[^\s/?#\"'<>]*@")
_IN_QUERY = re.compile(r"([?&](?:\w*[_-])?(?:token|key|password|passwd|secret|signature|sig|auth)=)[^\s&#\"'<>]+", re.IGNORECASE)
_IN_HEADER = re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token)\s+)[^\s\"']+", re.IGNORECASE)
_ALONE = "TOKEN|PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|CREDENTIALS?|APIKEY"
_WITH_MORE = "KEY|PASS|AUTH"
_IN_VARIABLE = re.compile(
    rf"(\b(?!SSH_KEY\b)(?:(?:[A-Z0-9]+_)*(?:{_ALONE})|(?:[A-Z0-9]+_)+(?:{_WITH_MORE}))(?:=[\"']?|\": ?\"))[^\s\"',;}}]+"
)
"""Capitals only: `max_tokens=128` is a measurement's condition, `HF_TOKEN=…` is not."""

_SECRET_NAME = re.compile(rf"(?:^|[_-])(?:{_ALONE}|{_WITH_MORE})(?:$|[_-])", re.IGNORECASE)
_BLANK = re.compile(r"[^\S \n]")


def clean(text: object) -> str:
    """Return plain text for one place on a page or in a terminal: without blanks around it, each within it one of the usual."""
    return _BLANK.sub(" ", plain(str(text))).strip()


def masked(text: str) -> str:
    """Plain text with stars for what looks like a secret: `user:password@` in an address, `?token=…`, `Bearer …`, `HF_TOKEN=…`.

    Plain first: a colour in the middle of a secret would hide it from who looks for it.
    """
    text = _IN_ADDRESS.sub(rf"\1{STARS}@", plain(text))
    for pattern in (_IN_QUERY, _IN_HEADER, _IN_VARIABLE):
        text = pattern.sub(rf"\1{STARS}", text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether a variable or a build argument of this name holds a secret: `HF_TOKEN`, `db_password`, `API-KEY`."""
    return _SECRET_NAME.search(name) is not None


def secrets_in(value: str) -> set[str]:
    """The secrets in the addresses of a text, as they stand there and decoded."""
    found = set()
    for given in re.findall(r"[A-Za-z][\w.+-]*://([^\s/?#\"'<>]*)@", value):
        user, separator, password = given.partition(":")
        secret = password if separator else user
        found |= {given, secret, unquote(secret)}
    return found


@dataclass(frozen=True)
class Masker:
    """Masks what looks like a secret, and every one of `secrets` wherever it stands."""

    secrets: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """The text without secrets, and plain."""
        return masked(self.without_known(plain(text)))

    def without_known(self, text: str) -> str:
        """The text without `secrets`; what only looks like one stays."""
        for secret in self.secrets:
            text = text.replace(secret, STARS)
        return text

    def everywhere(self, value: Any) -> Any:
        """A JSON value with all its texts, and the keys of its mappings, masked and plain."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self.everywhere(key): self._entry(key, item) for key, item in value.items()}
        if not isinstance(value, list | tuple) or set(map(type, value)) <= {int, float}:  # a monitor's series is long
            return value
        return [self.everywhere(item) for item in value]

    def _entry(self, key: object, value: Any) -> Any:
        return STARS if isinstance(value, str) and value and is_variable_with_secret(str(key)) else self.everywhere(value)


def is_variable_with_secret(name: str) -> bool:
    """Whether a key of a report names an environment variable or a build argument that holds a secret; capitals only."""
    return name == name.upper() and is_secret_name(name) and not name.startswith("SSH_")


def masker(addresses: Iterable[str | None], options: Iterable[str | None], arguments: Mapping[str, str]) -> Masker:
    """The masker of a run: `addresses` may have a password, `options` (ACCE_CONTAINER_OPT's) and `arguments` (BUILD_ARGS) too."""
    given = [text for text in options if text]
    texts = [*(text for text in addresses if text), *given, *arguments.values()]
    found = {secret for text in texts for secret in secrets_in(text)}
    variables = [pair for text in given for pair in _variables(text)]
    found |= {value for name, value in (*arguments.items(), *variables) if is_secret_name(name)}
    found |= {quote(one, safe="") for one in found} | {json.dumps(one)[1:-1] for one in found}
    return Masker(tuple(sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True)))


def _variables(options: str) -> list[tuple[str, str]]:
    """`NAME=value` pairs in ACCE_CONTAINER_OPT, whatever option they belong to."""
    try:
        words = shlex.split(options)
    except ValueError:
        words = options.split()
    pairs = (word.removeprefix("--env=").removeprefix("-e").partition("=") for word in words)
    return [(name, value) for name, separator, value in pairs if separator]
