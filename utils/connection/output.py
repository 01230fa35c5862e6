"""What is kept of a command's output: the last part of it as text, or its lines as they come."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable

from utils.plain_text import plain

TAIL_BYTES = 16 * 1024 * 1024
TAIL_LINES = 100
LONGEST_LINE = 64 * 1024


class Tail:
    """The last `limit` bytes of a stream (at least; whole pieces are dropped)."""

    def __init__(self, limit: int = TAIL_BYTES) -> None:
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Add a piece, and drop the oldest ones beyond the limit."""
        self._pieces.append(data)
        self._size += len(data)
        while self._size - len(self._pieces[0]) >= self._limit:
            self._size -= len(self._pieces.popleft())

    def text(self) -> str:
        """What was kept; bytes that are not UTF-8 are replaced."""
        return b"".join(self._pieces).decode(errors="replace")


class Lines:
    """Hands each line over as it comes, plain (of a progress bar the last state), and keeps the last 100."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._last: deque[str] = deque(maxlen=TAIL_LINES)

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take a piece of output; a line without an end is handed over in parts."""
        *whole, self._rest = (self._rest + self._decoder.decode(data, final=final)).split("\n")
        if len(self._rest) > LONGEST_LINE and "\r" in self._rest:
            self._rest = plain(self._rest) + ("\r" if self._rest.endswith("\r") else "")
        if len(self._rest) > LONGEST_LINE:
            whole.append(self._rest)
            self._rest = ""
        for line in whole:
            self._hand_over(line)

    def finish(self) -> None:
        """Hand over a last line that has no line end."""
        self.feed(b"", final=True)
        if self._rest:
            self._hand_over(self._rest)
            self._rest = ""

    def text(self) -> str:
        """The last lines."""
        return "".join(f"{line}\n" for line in self._last)

    def _hand_over(self, line: str) -> None:
        line = plain(line)
        self._last.append(line)
        self._on_line(line)


class AfterMark:
    """Passes on what follows `mark` in a stream; what a login shell prints before it is dropped."""

    def __init__(self, mark: bytes, sink: Callable[[bytes], object]) -> None:
        self._mark = mark
        self._sink = sink
        self._before = b""
        self.seen = False

    def feed(self, data: bytes) -> None:
        """Take a piece of the stream."""
        if self.seen:
            self._sink(data)
            return
        before, mark, after = (self._before + data).partition(self._mark)
        self._before = before[-LONGEST_LINE:]
        self.seen = bool(mark)
        if after:
            self._sink(after)

    @property
    def noise(self) -> str:
        """What came before the mark, plain."""
        return plain(self._before.decode(errors="replace"))
