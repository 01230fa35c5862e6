"""Keeps the thread's alternate signal stack as it was while a library is called that leaves one behind."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import Iterator


class _Stack(ctypes.Structure):
    """`stack_t` of sigaltstack(2)."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Restore the alternate signal stack afterwards.

    OpenVINO 2026.4 sets one in compile_model and frees its memory with the model. Python's signal handlers run on it
    (SA_ONSTACK), so Ctrl-C, or the end of a data loader's worker, would be a segmentation fault.
    """
    sigaltstack = getattr(ctypes.CDLL(None), "sigaltstack", None)
    if sigaltstack is None:
        yield
        return
    before = _Stack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
