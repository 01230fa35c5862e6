"""Runs on a host: prints what a kept command (keeper.py) has written and goes on writing, and in the end its status.

Usage: follower.py FOLDER TOKEN OFFSET. Each line is printed as `<offset of its end> <line>`, so that who lost the link can ask
for the rest; then `end <status>`, or `end ?` where the keeper died and nobody knows. With FOLDER alone, what is known of the
command there, as JSON. Standard library only, Python 3.6.
"""

import fcntl
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import IO, Any, Dict, Optional

OUTPUT, STATE = ".command.out", ".command.json"
END, UNKNOWN = "end", "?"
LONGEST_LINE = 16 * 1024
PAUSE_SECONDS = 0.1
PIECE_BYTES, MOST_BYTES, MOST_STATE_BYTES = 2**20, 2**30, 4096  # what a keeper writes; a guest may write more


class Lines:
    """Prints lines as they are completed; of a line rewritten by carriage returns only the last state counts."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._pending = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the output."""
        *complete, self._pending = (self._pending + data).split(b"\n")
        for line in complete:
            self._print(line, 1)
        while len(self._pending) > LONGEST_LINE:
            part, self._pending = self._pending[:LONGEST_LINE], self._pending[LONGEST_LINE:]
            self._print(part, 0)

    def finish(self) -> None:
        """Print a last line that has no line end."""
        if self._pending:
            self._print(self._pending, 0)
            self._pending = b""

    def _print(self, line: bytes, ending: int) -> None:
        for start in range(0, max(len(line), 1), LONGEST_LINE):
            part = line[start : start + LONGEST_LINE]
            self._offset += len(part)
            last = start + LONGEST_LINE >= len(line)
            self._offset += ending if last else 0
            write(b"%d %s\n" % (self._offset, part.rstrip(b"\r").rpartition(b"\r")[2]))


def write(data: bytes) -> None:
    """Print all of it at once."""
    while data:
        data = data[os.write(1, data) :]


def state(folder: str, token: Optional[str] = None) -> Dict[str, Any]:
    """What is known of the command; empty where it is another one's than the token's, or there is none."""
    try:
        with opened(Path(folder, STATE)) as file:
            known = json.loads(file.read(MOST_STATE_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return known if token is None or known.get("token") == token else {}


def opened(path: Path) -> IO[bytes]:
    """A regular file and nothing else: the guest may write where it lies. Raises OSError."""
    descriptor = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(str(path))
    return os.fdopen(descriptor, "rb")


def lives(descriptor: int) -> bool:
    """Whether the keeper does: then it holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def follow(folder: str, token: str, offset: int) -> str:
    """Print the output from `offset` on, to its end, and return the status."""
    lines = Lines(offset)
    try:
        file = opened(Path(folder, OUTPUT))
    except OSError:
        return UNKNOWN
    with file:
        file.seek(offset)
        while True:
            alive = lives(file.fileno())
            status = state(folder, token).get("status", None if alive else UNKNOWN)
            data = file.read(PIECE_BYTES)
            while data:
                lines.feed(data)
                data = file.read(PIECE_BYTES) if file.tell() <= MOST_BYTES else b""
            if status is not None:
                lines.finish()
                problem = state(folder, token).get("output_problem")
                if isinstance(problem, str) and problem:
                    lines.feed("[the rest of the output was not kept: {}]\n".format(problem[:200]).encode())
                return str(status)
            time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        write(json.dumps(state(sys.argv[1])).encode())
    else:
        write("{} {}\n".format(END, follow(sys.argv[1], sys.argv[2], int(sys.argv[3]))).encode())
