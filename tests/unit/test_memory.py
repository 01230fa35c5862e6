"""Peak memory between two moments."""

import pytest

from tools.memory import PeakMemory, status_bytes

MEBI = 1 << 20

pytestmark = pytest.mark.skipif(status_bytes("VmRSS") is None, reason="no /proc")


def test_memory_that_was_given_back_is_in_the_peak():
    began = status_bytes("VmRSS")
    memory = PeakMemory()
    bytearray(64 * MEBI)
    assert memory.peak_bytes() >= began + 60 * MEBI


def test_an_earlier_peak_is_not_in_a_later_step():
    bytearray(256 * MEBI)
    began = status_bytes("VmRSS")
    assert PeakMemory().peak_bytes() < began + 64 * MEBI
