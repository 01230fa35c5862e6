"""The two streams that a program prints to: a terminal, pipe or disk that does not take the words costs nothing but them."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from dataclasses import dataclass
from typing import Optional, TextIO, Tuple

READABLE = {
    "—": "-", "–": "-", "−": "-", "±": "+/-", "·": "|", "…": "...", "→": "->", "≤": "<=", "≥": ">=", "×": "x",  # noqa: RUF001
    "✓": "+", "✗": "x", "◆": "*", "°": " deg ", "µ": "u", "“": '"', "”": '"', "‘": "'", "’": "'",  # noqa: RUF001
    **{raised: "^" + digit for raised, digit in zip("¹²³⁴⁵⁶⁷⁸⁹⁰", "1234567890")},
    **{chr(code): "-" for code in range(0x2500, 0x2580)},
    **{chr(code): "*" for code in range(0x2800, 0x2900)},
}  # fmt: skip
"""What stands for a character that a stream's encoding lacks: lines of boxes and bars are -, dots of a spinner *."""

ERRORS = "accelmark.readable"
READER_GONE = (errno.EPIPE, errno.EIO)
"""Nobody reads the pipe any more, or the terminal is gone: nobody misses what is not written."""


class Stream(io.TextIOWrapper):
    """A stream that takes everything: what is printed after a first write that failed goes nowhere, and what a signal's handler
    prints in the middle of another write (RuntimeError, reentrant call) is lost alone."""

    failure: Optional[OSError] = None

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
        except RuntimeError:
            pass
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or lose it."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)
        except RuntimeError:
            pass

    def _lose(self, error: OSError) -> None:
        """Let what is still buffered, and all that comes, go nowhere."""
        self.failure = self.failure or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


@dataclass(frozen=True)
class Streams:
    """The process's stdout and stderr."""

    output: Stream
    errors: Stream

    def finish(self, program: str, code: int) -> int:
        """Flush both and return the exit code: `code`, but 1 for 0 where a full disk has not all that was printed."""
        self.output.flush()
        failure = self.output.failure
        if failure is not None and failure.errno not in READER_GONE:
            self.errors.write("{}: what was printed is not complete: {}\n".format(program, failure.strerror))
            code = code or 1
        self.errors.flush()
        return code


def prepare_streams() -> Streams:
    """Make stdout and stderr such as take everything, in whatever encoding. Once, before anything is printed."""
    for descriptor in range(3):
        _open_if_closed(descriptor)
    streams = Streams(_stream(sys.stdout, 1), _stream(sys.stderr, 2))
    sys.stdout, sys.stderr = streams.output, streams.errors
    return streams


def readable(text: str, encoding: str) -> str:
    """The text as a stream of this encoding shows it, for whoever has to know how long it gets."""
    return text.encode(encoding, ERRORS).decode(encoding)


def _open_if_closed(descriptor: int) -> None:
    """Else the next file that is opened would get what is printed, here or in a child."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _stream(before: Optional[TextIO], descriptor: int) -> Stream:
    """A stream with the encoding of the one before, which is None where that was closed."""
    encoding = before.encoding if before is not None else "utf-8"
    stream = Stream(io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)), encoding, ERRORS)
    if before is not None:
        before.flush()
        stream.reconfigure(line_buffering=bool(before.line_buffering), write_through=getattr(before, "write_through", False))
    return stream


def _replaced(error: UnicodeError) -> Tuple[str, int]:
    """The codecs' error handler: what stands for the characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    """What of ASCII comes nearest: of a letter with an accent the letter, of what has no width nothing, else a question mark."""
    if character in READABLE or unicodedata.category(character) in ("Cf", "Mn"):
        return READABLE.get(character, "")
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"


codecs.register_error(ERRORS, _replaced)
