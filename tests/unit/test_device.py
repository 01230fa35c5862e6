"""Device modules are found by what is initialised, and torch is never imported for that."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tools import torch_sync
from tools.device import accelerator, device_name, device_peak_bytes, is_out_of_memory


class FakeModule:
    def __init__(self, initialised, peaks=(0,)):
        self._initialised, self._peaks = initialised, peaks
        self.synchronized = []

    def is_initialized(self):
        return self._initialised

    def synchronize(self, index=None):
        self.synchronized.append(index)

    def device_count(self):
        return len(self._peaks)

    def max_memory_allocated(self, index):
        return self._peaks[index]


class FakeAccelerator:
    """torch.accelerator, on a machine where torch calls the device `kind`; None: it was built for one that is not there."""

    def __init__(self, kind):
        self._kind = kind

    def is_available(self):
        return self._kind is not None

    def current_accelerator(self):
        return SimpleNamespace(type=self._kind)


def available(name=None):
    """A device module that can be used; without a `name` it tells none, as some plug-ins."""
    return SimpleNamespace(is_available=lambda: True, **({"get_device_name": lambda: name} if name else {}))


def test_importing_tools_imports_neither_torch_nor_numpy():
    code = "import sys, tools; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


def test_only_initialised_devices_are_synchronised(monkeypatch):
    npu, cuda = FakeModule(True), FakeModule(False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, npu=npu))
    torch_sync(config=None)
    assert (npu.synchronized, cuda.synchronized) == ([None], [])


@pytest.mark.parametrize("name", ["cuda", "xpu", "npu", "mlu", "musa"])
def test_every_device_of_a_module_is_synchronised_not_the_current_one_alone(monkeypatch, name):
    module = FakeModule(True, peaks=(0, 0, 0))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(**{name: module}))
    torch_sync(config=None)
    assert module.synchronized == [0, 1, 2]


def test_a_cuda_device_that_was_never_used_is_left_alone(monkeypatch):
    cuda = FakeModule(True, peaks=(0, 0, 0))
    core = SimpleNamespace(_cuda_hasPrimaryContext=lambda index: index == 2)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, _C=core))
    torch_sync(config=None)
    assert cuda.synchronized == [2]


def test_a_vendor_whose_name_nobody_knows_is_synchronised_too(monkeypatch):
    module, core = FakeModule(True), SimpleNamespace(_get_privateuse1_backend_name=lambda: "newcomer")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(newcomer=module, _C=core))
    torch_sync(config=None)
    assert module.synchronized == [None]


def test_without_torch_there_is_nothing_to_wait_for(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    torch_sync(config=None)
    assert device_peak_bytes() is None


def test_device_memory_is_summed_over_devices(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=FakeModule(True, peaks=(10, 20))))
    assert device_peak_bytes() == 30


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate"),
        RuntimeError("can't allocate memory: 4 B"),
        RuntimeError("Failed to allocate 98304 bytes of memory"),
    ],
)
def test_memory_that_ran_out_is_recognised_even_as_a_cause(error):
    wrapped = ValueError("the engine failed")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


def test_another_error_is_not_out_of_memory():
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


ABSENT = SimpleNamespace(is_available=lambda: False)


@pytest.mark.parametrize(
    ("modules", "kind"),
    [
        ({"accelerator": FakeAccelerator("xpu"), "cuda": ABSENT}, "xpu"),
        ({"accelerator": FakeAccelerator("of_a_new_vendor")}, "of_a_new_vendor"),
        ({"accelerator": FakeAccelerator(None), "cuda": ABSENT}, None),
        ({"accelerator": FakeAccelerator(None), "musa": available()}, "musa"),
        ({"cuda": available()}, "cuda"),
        ({"cuda": ABSENT, "npu": available()}, "npu"),
        ({"cuda": ABSENT}, None),
    ],
)
def test_the_accelerator_is_the_one_that_torch_can_use(monkeypatch, modules, kind):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(**modules))
    assert accelerator() == kind


@pytest.mark.parametrize(
    ("modules", "name"), [({"cuda": available("Chip 1")}, "Chip 1"), ({"npu": available()}, "npu"), ({"cuda": ABSENT}, None)]
)
def test_an_accelerator_has_the_name_that_its_module_tells(monkeypatch, modules, name):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(**modules))
    assert device_name() == name


def test_without_torch_there_is_no_accelerator(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert (accelerator(), device_name()) == (None, None)
