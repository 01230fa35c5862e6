"""Device modules are found by what is initialised, and torch is never imported for that."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tools import torch_sync
from tools.device import device_peak_bytes, is_out_of_memory


class FakeModule:
    def __init__(self, initialised, peaks=()):
        self._initialised, self._peaks = initialised, peaks
        self.synchronized = 0

    def is_initialized(self):
        return self._initialised

    def synchronize(self):
        self.synchronized += 1

    def device_count(self):
        return len(self._peaks)

    def max_memory_allocated(self, index):
        return self._peaks[index]


def test_importing_tools_imports_neither_torch_nor_numpy():
    code = "import sys, tools; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


def test_only_initialised_devices_are_synchronised(monkeypatch):
    npu, cuda = FakeModule(True), FakeModule(False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, npu=npu))
    torch_sync(config=None)
    assert (npu.synchronized, cuda.synchronized) == (1, 0)


def test_without_torch_there_is_nothing_to_wait_for(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    torch_sync(config=None)
    assert device_peak_bytes() is None


def test_device_memory_is_summed_over_devices(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=FakeModule(True, peaks=(10, 20))))
    assert device_peak_bytes() == 30


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate"), RuntimeError("can't allocate memory: 4 B")]
)
def test_memory_that_ran_out_is_recognised_even_as_a_cause(error):
    wrapped = ValueError("the engine failed")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


def test_another_error_is_not_out_of_memory():
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
