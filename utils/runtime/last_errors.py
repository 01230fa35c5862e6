"""What of a long log says why it failed: the last lines that are errors, and the last line."""

from __future__ import annotations

import re
from collections import deque

MOST_LINES = 5
LONGEST = 300
"""Characters of a line; pip names all versions that it passed over in one."""

_ERROR = re.compile(
    r"^\s*(?:E:|Err:\d+) "  # apt
    r"|(?<![\w-])(?:fatal )?(?:error|fatal|exception)\s?[:!]"  # pip, gcc, ld, cmake, git
    r"|^\s*[\w.]*(?:Error|Exception)(?:: |$)"  # the last line of a traceback of Python
    r"|\*\*\* |undefined reference|\bnpm ERR!",
    re.IGNORECASE,
)
_AFTERTHOUGHT = re.compile(r"\s*(?:\[(?:notice|end of output)\]|notice:|note:|warning:|WARN\b|hint:)", re.IGNORECASE)
"""What tools say after their error, whatever that was."""


class LastErrors:
    """Takes a log line by line, keeping little of it."""

    def __init__(self) -> None:
        self._errors: deque[tuple[int, str]] = deque(maxlen=MOST_LINES)
        self._last: deque[tuple[int, str]] = deque(maxlen=MOST_LINES)
        self._count = 0

    def take(self, line: str) -> None:
        """Take the next line."""
        if not line.strip() or _AFTERTHOUGHT.match(line):
            return
        self._count += 1
        kept = (self._count, line if len(line) <= LONGEST else f"{line[:LONGEST]} …")
        self._last.append(kept)
        if _ERROR.search(line):
            self._errors.append(kept)

    def lines(self) -> list[str]:
        """The last errors and the last line, in their order; the last lines where none is an error."""
        chosen = {*self._errors, self._last[-1]} if self._errors else self._last
        return [line for _, line in sorted(chosen)][-MOST_LINES:]
