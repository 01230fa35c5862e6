"""Post-training quantisation to int8 for OpenVINO, by NNCF."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from typing import Any, Dict

from tools.calibration import calibration_inputs
from tools.environment import package_version
from tools.errors import ConfigError

QUANTISER = "nncf {}".format(package_version("nncf"))


def quantised(model: Any, config: Any) -> Any:
    """A copy of an openvino.Model with int8 weights and activations, as wide as the case's calibration data made them."""
    nncf = _nncf()
    names = [port.get_any_name() for port in model.inputs]

    def feeds(tensors: Any) -> Dict[str, Any]:
        return {name: tensor.numpy() for name, tensor in zip(names, tensors)}

    queries = list(calibration_inputs(config))
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(model, nncf.Dataset(queries, feeds), subset_size=len(queries), target_device=nncf.TargetDevice.CPU)


def _nncf() -> Any:
    """NNCF, quiet, and told not to report its use to its makers. Raises ConfigError where it is not installed."""
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf  # noqa: PLC0415  (a second, and only int8 needs it)
    except ModuleNotFoundError as error:
        raise ConfigError("openvino needs the package 'nncf' for int8: pip install nncf") from error
    nncf.set_log_level(logging.ERROR)
    return nncf
