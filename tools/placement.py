"""Where a case's phases ran and in which framework, and what speaks against it; never imports a framework itself."""

from __future__ import annotations

import re
import sys
from typing import Any, List, Mapping, Optional

from tools.contract import Device, Reason
from tools.device import DEVICE_MODULES
from tools.environment import cpu_model

OTHER_DEVICE = "other device"
"""What is quoted did not run on the vendor's device."""

OTHER_REFERENCE = "other device of the reference"
OTHER_FRAMEWORK = "other framework"

FRAMEWORKS = {
    "pytorch": "torch",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "tensorflow2": "tensorflow",
    "paddle": "paddle",
    "paddlepaddle": "paddle",
    "mindspore": "mindspore",
    "jax": "jax",
}
"""The Python packages of the frameworks that cases are labelled with, FlagPerf's among them."""

_PROVIDER = "executionprovider"
_KINDS = (*DEVICE_MODULES, "cpu", "gpu")
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def device_of(description: Mapping[str, Any], model: Any = None) -> Optional[Device]:
    """Where what gave this `describe()` ran: by its own word, else where the model's weights lie. None: nobody tells."""
    told = description.get("device")
    if told:
        return told_device(str(told))
    kinds = {str(weight.device.type) for weight in _weights(model)}
    return Device(kinds.pop()) if len(kinds) == 1 else None


def told_device(text: str) -> Device:
    """A device as an engine words it: `cuda:0 (NVIDIA H200)`, `CPU`, `CUDAExecutionProvider, CPUExecutionProvider`. Where it
    names several, what is left to the processor beside an accelerator is no device of its own."""
    if text == cpu_model():
        return Device("cpu", text)
    kinds = [_kind(part) for part in re.sub(r"\(.*?\)", "", text).split(",")]
    name = re.search(r"\((.*)\)", text)
    kind = next((kind for kind in kinds if kind != "cpu"), "cpu")
    return Device(kind, name.group(1) if name else None) if kind else Device(None, text)


def device_reasons(vendor: str, quoted: Optional[Device], reference: Optional[Device]) -> List[Reason]:
    """Why numbers are not the vendor's device's: what is quoted, or else the reference beside it, ran on another one."""
    if quoted is not None and quoted.belongs_to(vendor) is False:
        text = "it ran on {}, which is no device of vendor {}; {}"
        return [Reason(OTHER_DEVICE, text.format(quoted, vendor, _remedy(quoted)))]
    if reference is not None and reference.belongs_to(vendor) is False:
        text = "the framework's own run was on {}, no device of vendor {}: a speed-up over it is not the engine's; {}"
        remedy = _remedy(reference) + ", or skip that run with no_validation"
        return [Reason(OTHER_REFERENCE, text.format(reference, vendor, remedy))]
    return []


def framework_reasons(label: str, is_torch: bool = False, modules: Optional[Mapping[str, Any]] = None) -> List[Reason]:
    """Why the case's label (`pytorch_2.13`) does not say what ran: another version, compared by the parts that the label gives,
    or another framework, where the reference `is_torch` and the label's was never imported."""
    modules = sys.modules if modules is None else modules
    name, _, version = label.partition("_")
    module = modules.get(FRAMEWORKS.get(name, name))
    text = "the case is labelled {}, but {} ran; name it so in CASES, or install what the label says"
    if module is None:
        other = is_torch and name in FRAMEWORKS
        return [Reason(OTHER_FRAMEWORK, text.format(label, "torch"))] if other else []
    ran = str(getattr(module, "__version__", ""))
    asked, found = (_VERSION.match(one.lstrip("v")) for one in (version, ran))
    if asked is None or found is None:
        return []
    wanted, there = asked.group().split("."), found.group().split(".")
    if there[: len(wanted)] == wanted:
        return []
    return [Reason(OTHER_FRAMEWORK, text.format(label, "{} {}".format(module.__name__, ran)))]


def _kind(text: str) -> Optional[str]:
    """What torch calls such a device, of a word like `cuda:0`, `GPU.1` or `CPUExecutionProvider`; None where it has no word."""
    word = re.match(r"[a-z_]*", text.strip().lower())
    kind = word.group() if word else ""
    kind = kind[: -len(_PROVIDER)] if kind.endswith(_PROVIDER) else kind
    return kind if kind in _KINDS else None


def _remedy(device: Device) -> str:
    if device.kind == "cpu":
        return "give the guest the device (ACCE_CONTAINER_OPT) and a framework built for it, or measure under vendor cpu"
    return "measure it under that device's own vendor"


def _weights(model: Any) -> List[Any]:
    found = list(model.parameters()) if callable(getattr(model, "parameters", None)) else []
    return [weight for weight in found if hasattr(weight, "device")]
