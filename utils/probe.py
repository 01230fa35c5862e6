"""Asks a host's own python3 what is there; nothing is changed there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.errors import CommandError
from utils.connection.base import INSTALL_PYTHON
from utils.connection.sync import FOREIGN, MARKER

if TYPE_CHECKING:
    from utils.connection.base import Connection

SECONDS = 60.0

PROBE = (
    FOREIGN
    + """
import json, shutil, sys
import importlib.util
asked = json.load(sys.stdin)
def nearest(path):
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    return path
def exists(path):
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True
def there(path, is_folder):
    if is_folder is None:
        return os.access(path, os.R_OK)
    return os.access(path, os.R_OK) and (os.path.isdir(path) and os.access(path, os.X_OK) if is_folder else os.path.isfile(path))
def readable_folder(path):
    return os.path.isdir(path) and os.access(path, os.R_OK)
print(json.dumps({
    "python": list(sys.version_info[:3]),
    "root": os.getuid() == 0,
    "there": {path: there(path, is_folder) for path, is_folder in asked["needs"].items()},
    "exists": {path: exists(path) for path in asked["room"] + asked["paths"]},
    "foreign": [path for path in asked["code"] if readable_folder(path) and foreign(path, asked["marker"])],
    "writable": {path: os.access(nearest(path), os.W_OK) for path in asked["room"]},
    "blocked": {path: nearest(path) for path in asked["room"] if not os.path.isdir(nearest(path))},
    "room": {path: shutil.disk_usage(nearest(path)).free for path in asked["room"]},
    "missing": [name for name in asked["modules"] if importlib.util.find_spec(name) is None],
}))
"""
)
"""Python 3.6 or newer. A folder that is not there yet counts as the nearest one above it; what may not be seen counts as being
there; modules are not imported."""


def ask(
    connection: Connection,
    *,
    needs: Mapping[str, bool | None] | None = None,
    room: Sequence[str] = (),
    paths: Sequence[str] = (),
    code: Sequence[str] = (),
    modules: Sequence[str] = (),
) -> dict[str, Any]:
    """Return `python` (its version), `root` (whether it runs as root); of `needs` (path: is it a folder, None:
    either) which are `there`; of the folders `room` which `exists`, are `writable`, are `blocked` (by which file in their place
    or above it), and how many bytes of `room` are free; of `paths` which `exists`; of the folders `code` those `foreign`, which
    hold something else than our code; of `modules` those `missing`.

    Raises CommandError when the host's Python cannot answer, and what Connection.run raises.
    """
    asked = {
        "needs": dict(needs or {}),
        "room": list(room),
        "paths": list(paths),
        "code": list(code),
        "marker": MARKER,
        "modules": list(modules),
    }
    done = connection.run([connection.python, "-c", PROBE], timeout=SECONDS, stdin=json.dumps(asked).encode())
    if done.status != 0:
        why = (done.stderr.strip().splitlines() or [f"exit {done.status}"])[-1]
        raise CommandError(f"{connection.python} does not run there ({why}); {INSTALL_PYTHON}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
