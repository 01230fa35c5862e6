"""Peak memory between two moments."""

import resource

import pytest
from own_process import alone

from tools.memory import PeakMemory, bounded_memory, status_bytes

MEBI = 1 << 20

pytestmark = pytest.mark.skipif(status_bytes("VmRSS") is None, reason="no /proc")


@alone
def test_memory_that_was_given_back_is_in_the_peak():
    began = status_bytes("VmRSS")
    memory = PeakMemory()
    bytearray(64 * MEBI)
    assert memory.peak_bytes() >= began + 60 * MEBI


@alone
def test_an_earlier_peak_is_not_in_a_later_step():
    bytearray(256 * MEBI)
    began = status_bytes("VmRSS")
    assert PeakMemory().peak_bytes() < began + 64 * MEBI


@alone
def test_memory_beyond_the_bound_is_refused_inside_and_there_again_afterwards():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with bounded_memory(128 * MEBI), pytest.raises(MemoryError):
        bytearray(256 * MEBI)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(256 * MEBI)) == 256 * MEBI


@alone
def test_without_a_figure_there_is_no_bound():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with bounded_memory(None):
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
