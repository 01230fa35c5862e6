"""Where a phase ran and in which framework, by whoever tells, and what of it speaks against the numbers."""

import sys
from types import SimpleNamespace

import pytest

from tools.config_manager import Resolved
from tools.contract import INVALID, OK, TAINTED, Device, Peak
from tools.environment import cpu_model
from tools.findings import Findings, as_measurement
from tools.insight import find_peak
from tools.placement import device_of, device_reasons, framework_reasons, told_device
from tools.summary import summarise

CARD, PROCESSOR = Device("cuda", "NVIDIA H200"), Device("cpu")


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", PROCESSOR),
        ("CPU", PROCESSOR),
        ("CPUExecutionProvider", PROCESSOR),
        ("cuda:0 (NVIDIA H200)", CARD),
        ("CUDAExecutionProvider, CPUExecutionProvider", Device("cuda")),
        ("CPU, GPU.1", Device("gpu")),
        ("npu:0 (Ascend910B, 64 GB)", Device("npu", "Ascend910B, 64 GB")),
        ("Acme X1", Device(None, "Acme X1")),
        ("Moore Threads MTT S4000 (48GB)", Device(None, "Moore Threads MTT S4000 (48GB)")),
        ("Intel(R) Data Center GPU Max 1550", Device(None, "Intel(R) Data Center GPU Max 1550")),
        ("cpuless accelerator", Device(None, "cpuless accelerator")),
        (cpu_model(), Device("cpu", cpu_model())),
    ],
)
def test_a_device_is_known_by_the_word_of_the_engine(text, device):
    assert told_device(text) == device


def test_of_a_framework_that_tells_nothing_the_weights_tell_the_device():
    model = SimpleNamespace(parameters=lambda: [SimpleNamespace(device=SimpleNamespace(type="npu"))])
    assert device_of({}, model) == Device("npu")
    assert device_of({"device": "cpu"}, model) == PROCESSOR
    assert (device_of({}), device_of({}, model=lambda inputs: inputs)) == (None, None)


@pytest.mark.parametrize(
    ("vendor", "quoted", "reference", "kinds"),
    [
        ("cpu", PROCESSOR, PROCESSOR, []),
        ("cpu", CARD, PROCESSOR, ["other device"]),
        ("nvidia", CARD, CARD, []),
        ("nvidia", PROCESSOR, PROCESSOR, ["other device"]),
        ("nvidia", CARD, PROCESSOR, ["other device of the reference"]),
        ("acme", Device(None, "Acme X1"), None, []),
        ("acme", None, None, []),
        ("acme", None, PROCESSOR, ["other device of the reference"]),
    ],
)
def test_only_what_is_known_to_have_run_elsewhere_is_no_device_of_the_vendor_s(vendor, quoted, reference, kinds):
    assert [reason.kind for reason in device_reasons(vendor, quoted, reference)] == kinds


@pytest.mark.parametrize(
    ("label", "ran", "is_right"),
    [
        ("pytorch_2.13", {"torch": "2.13.0+cpu"}, True),
        ("pytorch_2.5", {"torch": "2.5.0a0+e000cf0ad9.nv24.10"}, True),
        ("pytorch_2", {"torch": "2.13.0"}, True),
        ("pytorch_1.13", {"torch": "1.13.1"}, True),
        ("tensorflow_2.6", {"tensorflow": "2.6.0", "torch": "1.13.1"}, True),
        ("acmeframe_0.9", {"acmeframe": "0.9.1"}, True),
        ("pytorch_foo", {"torch": "2.13.0"}, True),
        ("pytorch", {"torch": "2.13.0"}, True),
        ("mindspore_2.0", {}, True),
        ("pytorch_2.5", {"torch": "2.13.0+cpu"}, False),
        ("pytorch_2.1", {"torch": "2.13.0+cpu"}, False),
        ("pytorch_2.13.1", {"torch": "2.13.0"}, False),
        ("tensorflow_2.6", {"tensorflow": "2.16.1"}, False),
    ],
)
def test_the_label_s_version_is_held_to_the_one_that_ran_by_the_parts_that_it_gives(label, ran, is_right):
    modules = {name: SimpleNamespace(__name__=name, __version__=version) for name, version in ran.items()}
    assert (framework_reasons(label, modules=modules) == []) is is_right


def test_torch_under_another_framework_s_label_is_another_framework():
    modules = {"torch": SimpleNamespace(__name__="torch", __version__="2.13.0")}
    assert framework_reasons("tensorflow_2.6", modules=modules) == []  # it may have computed nothing
    [reason] = framework_reasons("tensorflow_2.6", is_torch=True, modules=modules)
    assert "labelled tensorflow_2.6, but torch ran" in reason.message
    assert framework_reasons("acmeframe_0.9", is_torch=True, modules=modules) == []


@pytest.mark.parametrize(("device", "status"), [(PROCESSOR, INVALID), (CARD, OK), (None, OK)])
def test_numbers_of_another_device_than_the_vendor_s_must_not_be_quoted(device, status):
    findings = Findings(validation=as_measurement((1.0, 1.0, 0.9), "model_forward"), devices={"validation": device})
    result = summarise("toy", "pytorch", "nvidia", findings, [])
    assert (result.status, result.validation.device) == (status, device)


def test_a_label_that_is_wrong_is_a_doubt(monkeypatch):
    monkeypatch.setitem(sys.modules, "acmeframe", SimpleNamespace(__name__="acmeframe", __version__="1.0"))
    findings = Findings(validation=as_measurement((1.0, 1.0, 0.9), "model_forward"))
    assert summarise("toy", "acmeframe_2.0", "nvidia", findings, []).status == TAINTED


PEAK = Peak("fp32", 1e12, 1e11, "measured")


@pytest.mark.parametrize(
    ("vendor", "torch_has", "quoted", "measured_on"),
    [
        ("cpu", None, PROCESSOR, "cpu"),
        ("cpu", "cuda", None, "cpu"),
        ("nvidia", "cuda", CARD, "cuda"),
        ("nvidia", "cuda", None, "cuda"),
        ("nvidia", "cuda", PROCESSOR, None),
        ("nvidia", None, PROCESSOR, None),
        ("acme", None, Device(None, "Acme X1"), None),
    ],
)
def test_a_peak_is_measured_on_the_vendor_s_device_alone(monkeypatch, vendor, torch_has, quoted, measured_on):
    asked = []
    monkeypatch.setitem(
        sys.modules, "torch", SimpleNamespace(**({torch_has: SimpleNamespace(is_available=lambda: True)} if torch_has else {}))
    )
    monkeypatch.setattr("tools.insight.measured_peak", lambda config, device: asked.append(device) or PEAK)
    values = {"vendor": vendor, "compiler": None, "flops": 20.0, "compile_only": False}
    find_peak(findings := Findings(resolved=Resolved(values, {}), devices={"validation": quoted}))
    assert (asked, findings.peak) == (([measured_on], PEAK) if measured_on else ([], None))
