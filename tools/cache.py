"""Folders below onnxs/ that are made once and found again: by a key of what shapes them, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

from tools.device import device_name
from tools.environment import cpu_flags, cpu_model
from tools.errors import CaseCrash

KEY_LENGTH = 16
"""Hexadecimal digits of a key: 64 bits, so that two of a million files meet with a chance of 1 in 10^7."""


def key_of(*parts: Any) -> str:
    """A short name for everything in `parts` (JSON values; others by their text)."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:KEY_LENGTH]


def cached_folder(folder: Path, make: Callable[[Path], None]) -> bool:
    """Let `make` fill `folder` unless it is there; return whether it was. A process that comes second waits for the first.

    `make` gets an empty temporary folder, renamed to `folder` only when all is on disk, so that a kill leaves nothing
    that looks complete. Raises CaseCrash where the disk is full or not writable, and whatever `make` raises.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.parent / (".{}.lock".format(folder.name))):
            if folder.is_dir():
                return True
            _fill(folder, make)
            return False
    except OSError as error:
        raise CaseCrash("{} cannot be written: {}; is the disk full?".format(folder, error)) from error


def compiled_file(config: Any, engine: str, onnx_path: str, name: str, make: Callable[[Path], None]) -> Tuple[str, bool]:
    """The path of an engine's compiled file, and whether it was there already: `config.exist_compiler_path` where that is set,
    else a file `name` below onnxs/, which `make(path)` writes.

    `engine` is its name and version, with what else of its own shapes the file (`tools.calibration.recipe`). The file belongs to
    that, the ONNX file's content, precision, threads, and the hardware: this processor with what it can do, and torch's
    accelerator unless the vendor is cpu.
    """
    if config.exist_compiler_path is not None:
        return str(config.exist_compiler_path), True
    hardware = (cpu_model(), cpu_flags(), None if config.vendor == "cpu" else device_name())
    shape = key_of(engine, [sha256_of(path) for path in onnx_files(onnx_path)], hardware, config.precision, config.threads)
    folder = Path(config.perf_dir) / "onnxs" / "{}_{}_{}_{}".format(config.case, config.vendor, config.compiler, shape)
    hit = cached_folder(folder, lambda temporary: make(temporary / name))
    return str(folder / name), hit


def onnx_files(onnx_path: str) -> List[Path]:
    """An ONNX file and the files beside it that hold its weights. Raises CaseCrash if it cannot be read."""
    import onnx  # noqa: PLC0415  (what needs no compiled file needs no onnx)
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data  # noqa: PLC0415

    try:
        model = onnx.load(onnx_path, load_external_data=False)
    except Exception as error:  # OSError, or protobuf's own DecodeError
        raise CaseCrash("{} cannot be read as ONNX: {}".format(onnx_path, error)) from error
    beside = {ExternalDataInfo(tensor).location for tensor in model.graph.initializer if uses_external_data(tensor)}
    return [Path(onnx_path)] + [Path(onnx_path).parent / name for name in sorted(beside)]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, waiting for it asleep; the system frees it when its holder dies."""
    with path.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _fill(folder: Path, make: Callable[[Path], None]) -> None:
    temporary = folder.with_name("." + folder.name + ".tmp")
    shutil.rmtree(str(temporary), ignore_errors=True)
    temporary.mkdir()
    try:
        make(temporary)
        for path in temporary.iterdir():
            _sync(path)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(str(temporary), ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 22), b""):
            digest.update(block)
    return digest.hexdigest()
