"""Calls what the installed mlcommons-loadgen does not export: its early stopping, found in the extension's own symbol table."""

import ctypes
import struct
from pathlib import Path

import mlperf_loadgen

FINDER = b"_ZN6mlperf7loadgen23MinPassingQueriesFinderclElddd"
"""mlperf::loadgen::MinPassingQueriesFinder::operator()(long, double, double, double)"""

EXPORTED = b"PyInit_mlperf_loadgen"


def symbols(binary: bytes) -> dict[bytes, int]:
    """Name to address, from the .symtab of a 64-bit little-endian ELF file. Source: elf(5)."""
    (offset,), (entry, count) = struct.unpack_from("<Q", binary, 0x28), struct.unpack_from("<HH", binary, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", binary, offset + entry * index) for index in range(count)]
    found = {}
    for kind, start, size, names in [(section[1], section[4], section[5], section[6]) for section in sections]:
        if kind != 2:  # SHT_SYMTAB
            continue
        for at in range(start, start + size, 24):
            name, _, _, _, address, _ = struct.unpack_from("<IBBHQQ", binary, at)
            begin = sections[names][4] + name
            found[binary[begin : binary.index(b"\0", begin)]] = address
    return found


class MinPassingQueriesFinder:
    """loadgen's own, with its cache: h, the fewest queries not over the latency beside t that are over it."""

    def __init__(self):
        path = mlperf_loadgen.__file__
        table = symbols(Path(path).read_bytes())
        assert FINDER in table, f"{path} has no symbol table with {FINDER!r}; install mlcommons-loadgen from its wheel"
        loaded = ctypes.cast(getattr(ctypes.CDLL(path), EXPORTED.decode()), ctypes.c_void_p).value - table[EXPORTED]
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_double] * 3)
        self._call = kind(loaded + table[FINDER])
        self._cache = (ctypes.c_uint64 * 6)()  # an empty std::map of libstdc++: compare, then colour, parent, left, right, size
        self._cache[3] = self._cache[4] = ctypes.addressof(self._cache) + 8

    def __call__(self, t, p, tolerance=0.0, confidence=0.99):
        return self._call(ctypes.addressof(self._cache), t, p, tolerance, confidence)
