"""A data loader's worker processes that fail, die or hang: each becomes an error that says why, never a wait without an end."""

from __future__ import annotations

import os
import re
import sys
import traceback
from multiprocessing import queues
from typing import Any, Optional

from tools.environment import in_container
from tools.errors import AccelmarkError, CaseCrash, ConfigError, OutOfMemory

BATCH_SECONDS = 600
"""How long workers may take for one batch, unless the case's DataLoader has a `timeout` of its own."""

SHARED_MEMORY = "/dev/shm"  # noqa: S108  (the mount that torch hands batches over in)
CONTAINERS_DEFAULT = "64M"
"""Docker's. Source: https://docs.docker.com/reference/cli/docker/container/run/ (--shm-size)"""

_NO_ROOM = re.compile(r"</torch_[^\n]*No space left on device|killed by signal: Bus error")
_KILLED = re.compile(r"DataLoader worker .*killed by signal: Killed")
_TIMED_OUT = re.compile(r"DataLoader timed out after (\d+)")
_CAUGHT = re.compile(r"Caught (\w+) in DataLoader worker process")
"""torch's words, the same since 1.8."""


def hand_over_lost_batches() -> None:
    """Let this process's DataLoaders, whoever makes them, raise what keeps a worker from handing a batch over.

    A queue sends from a thread of the worker's, where an error (no room in /dev/shm, a batch that cannot be pickled) costs the
    batch alone: the worker would live on, and the loader wait for ever. Workers get this by being forked; others, `bounded`.
    Python has had this hook since 3.7.
    """
    queues.Queue._on_queue_feeder_error = _instead_of_batch  # type: ignore[attr-defined]


def bounded(dataloader: Any) -> Any:
    """`dataloader`, which now waits BATCH_SECONDS at most for a batch where it is a torch DataLoader that would wait for ever."""
    torch = sys.modules.get("torch")
    is_torchs = torch is not None and isinstance(dataloader, torch.utils.data.DataLoader)
    if is_torchs and dataloader.num_workers and not dataloader.timeout:
        dataloader.timeout = BATCH_SECONDS
    return dataloader


def explained(error: BaseException) -> BaseException:
    """The error in plain words, caused by the given one, where that is of a data loader's worker; else the given one."""
    clear = _explained(error)
    if clear is None:
        return error
    clear.__cause__ = error
    return clear


def _explained(error: BaseException) -> Optional[AccelmarkError]:
    text, history = str(error), _history(error)
    timed_out, caught = _TIMED_OUT.search(text), _CAUGHT.match(text)
    if _NO_ROOM.search(history):
        return ConfigError(_no_room())
    if _KILLED.search(history):
        return OutOfMemory("a data loader's worker was killed, as the kernel does when memory runs out; lower num_workers")
    if timed_out:
        words = "the data loader's workers gave no batch within {} s; see with num_workers: 0 where they hang"
        also = "; of workers that are not forked it may be {}, which has {:,.0f} MiB: {}"
        return CaseCrash(words.format(timed_out[1]) + also.format(SHARED_MEMORY, _shared_mebibytes(), _more_room()))
    if caught:
        words = _last_words(text)
        if isinstance(error, AccelmarkError):
            return type(error)(words.partition(caught[1] + ": ")[2] or words)
        return CaseCrash("{} (in a data loader's worker)".format(words))
    return None


def _history(error: Optional[BaseException]) -> str:
    """The texts of an error and of those that it came from: torch says of a worker's end in one what ended it in another."""
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def _no_room() -> str:
    text = "{} has {:,.0f} MiB, too little for the batches that num_workers make ahead; {}, or set num_workers: 0"
    return text.format(SHARED_MEMORY, _shared_mebibytes(), _more_room())


def _shared_mebibytes() -> float:
    facts = os.statvfs(SHARED_MEMORY)
    return facts.f_blocks * facts.f_frsize / 2**20


def _more_room() -> str:
    if in_container():
        return "set a larger SHM_SIZE in host.yaml (without one it is {})".format(CONTAINERS_DEFAULT)
    return "make it larger (mount -o remount,size=…)"


def _last_words(text: str) -> str:
    """The error itself, which ends the worker's traceback: its lines after the last one that is indented."""
    lines = text.rstrip().splitlines()
    indented = [place for place, line in enumerate(lines) if line.startswith(" ")]
    return "\n".join(lines[indented[-1] + 1 if indented else 0 :]) or lines[-1]


def _instead_of_batch(queue: Any, error: BaseException, item: Any) -> None:
    """In a DataLoader's worker, put the error where the batch was to be; elsewhere print it, as Python does."""
    torch: Any = sys.modules.get("torch")
    worker = torch.utils.data.get_worker_info() if torch is not None else None
    if worker is None or not isinstance(item, tuple):
        traceback.print_exception(type(error), error, error.__traceback__)
        return
    wrapper = torch._utils.ExceptionWrapper
    index, batch = item[:2]
    if isinstance(batch, wrapper):  # an error already, of a class that cannot be pickled: its words can
        error = RuntimeError(batch.exc_msg)
    details = (type(error), error, error.__traceback__)
    queue.put((index, wrapper(details, "in DataLoader worker process {}".format(worker.id))))
