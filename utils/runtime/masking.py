"""Secrets out of what is shown: a user and a password in a web address become stars."""

from __future__ import annotations

import re


def masked(text: str) -> str:
    """The text with `user:password@` and `token@` in web addresses replaced by stars."""
    return re.sub(r"(\w+://)[^/\s@]+@", r"\1***@", text)
