"""Keeps this project's code on a host the same as here: only files that differ travel, and what is gone here goes there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from loguru import logger

from tools.errors import ConfigError
from utils.connection.base import Cancelled, Connection

CODE = ("run_inference.py", "LICENSE", "benchmarks", "configs", "docker_images", "inference_engine", "tools", "utils")
MARKER = "tools/contract.py"
"""A folder that has this file is ours; it is the first to travel, so that a copy that was broken off can be completed."""
LIST = ".accelmark-files.json"
"""In the host's folder: the names of all files that were copied there. What is not in it is somebody else's, and stays."""

GENERATED = (".pyc", ".pyo", ".local.yaml", ".onnx")
SYNC_SECONDS = 300.0

FOREIGN = """
import os
def foreign(root, marker):
    others = [name for name in os.listdir(root) if name not in ("onnxs", "result") and not name.startswith(".accelmark-files")]
    return bool(others) and not os.path.exists(os.path.join(root, marker))
"""
"""Tells whether a folder holds something else than our code. Python 3.6."""

HOLDS_ELSE = "holds something else; choose another folder, or empty this one"

COMPARE = (
    FOREIGN
    + """
import hashlib, json, shutil, sys
asked = json.load(sys.stdin)
root = asked["root"]
def digest(name):
    try:
        with open(os.path.join(root, name), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None
def copied():
    try:
        with open(os.path.join(root, asked["list"])) as file:
            names = json.load(file)
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str) and is_code(name)] if isinstance(names, list) else []
def is_code(name):
    return name.split("/")[0] in asked["code"] and ".." not in name.split("/")
def remove(name):
    path = os.path.join(root, name)
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in parents(name):
        if set(os.listdir(folder)) <= {"__pycache__"} and not os.path.islink(folder):
            shutil.rmtree(folder)
def parents(name):
    parts = name.split("/")[:-1]
    return [os.path.join(root, *parts[:length]) for length in range(len(parts), 0, -1)]
def note(names):
    path = os.path.join(root, asked["list"])
    with open(path + ".new", "w") as file:
        json.dump(names, file)
    os.rename(path + ".new", path)
answer = {"foreign": False, "error": "", "differ": [], "gone": []}
try:
    os.makedirs(root, exist_ok=True)
    answer["foreign"] = foreign(root, asked["marker"])
    if not answer["foreign"]:
        for folder in ("onnxs", "result"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        here = copied()
        answer["gone"] = [name for name in here if name not in asked["files"]]
        for name in answer["gone"]:
            remove(name)
        answer["differ"] = [name for name, known in asked["files"].items() if digest(name) != known]
        if answer["gone"] or set(here) != set(asked["files"]):
            note(sorted(asked["files"]))
except OSError as error:
    answer["error"] = str(error)
json.dump(answer, sys.stdout)
"""
)
"""`python3 -c COMPARE` with `{root, marker, list, code, files: {name: sha256}}` on stdin answers `{foreign, error,
differ: [name], gone: [name]}`, having removed what is gone: files that were copied there once, are below `code`, and are not in
`files` any more.

The list is written before anything travels, so that a copy that was broken off is known to be ours. It is valid Python 3.6."""


def sync_code(
    connection: Connection,
    checkout: Path,
    code_path: str,
    cancelled: Cancelled | None = None,
) -> int:
    """Copy the code to `code_path` on the host, remove there what was copied once and is gone here, and return how many files
    travelled.

    Raises ConfigError when the folder there cannot be made or written to, or holds something else, CommandError when `cancelled`
    ended it.
    """
    if not copies_code(connection, checkout, code_path):
        return 0
    digests = {name: _digest(checkout / name) for name in code_files(checkout)}
    differ = _differing(connection, code_path, digests, cancelled)
    if differ:
        connection.put_tree(checkout, sorted(differ, key=lambda name: name != MARKER), code_path, cancelled)
    return len(differ)


def copies_code(connection: Connection, checkout: Path, code_path: str) -> bool:
    """Whether a host needs a copy of the code: it is not this machine, or FLAGPERF_PATH is another folder here."""
    return not (connection.is_local and Path(code_path).resolve() == checkout.resolve())


def code_files(checkout: Path) -> list[str]:
    """The names of all files that a host needs, relative to the checkout, sorted."""
    return sorted(name for entry in CODE for name in _files(checkout, checkout / entry))


def _files(checkout: Path, path: Path) -> Iterator[str]:
    if path.is_dir():
        for entry in path.iterdir():
            if entry.name != "__pycache__" and not (entry.name.startswith(".") and entry.is_dir()):
                yield from _files(checkout, entry)
    elif path.is_file() and not path.name.endswith(GENERATED):
        yield path.relative_to(checkout).as_posix()


def _digest(path: Path) -> str:
    state = path.stat()
    return _digest_of(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, _changed: int, _size: int) -> str:
    """Read once for all hosts of a run."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _differing(connection: Connection, code_path: str, digests: dict[str, str], cancelled: Cancelled | None) -> list[str]:
    asked = {"root": code_path, "marker": MARKER, "list": LIST, "code": CODE, "files": digests}
    question = json.dumps(asked).encode()
    argv = (connection.python, "-c", COMPARE)
    answered = connection.run(argv, timeout=SYNC_SECONDS, stdin=question, cancelled=cancelled).check()
    answer: dict[str, Any] = json.loads(answered.stdout)
    where = f"FLAGPERF_PATH {code_path} on {connection.host}"
    if answer["error"]:
        raise ConfigError(f"{where} cannot be used: {answer['error']}; choose a folder that its user may write to")
    if answer["foreign"]:
        raise ConfigError(f"{where} {HOLDS_ELSE}")
    for name in answer["gone"]:
        logger.info("{}: removed {}, as it is gone here", connection.host, name)
    return [str(name) for name in answer["differ"]]
