"""What a quantiser may look at: the case's own inputs, apart from those that are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, List

from tools.errors import CaseCrash, ConfigError
from tools.plugins import load_case


def calibration_inputs(config: Any) -> Iterator[List[Any]]:
    """Yield, query by query, the CPU tensors that the model takes, until there are `config.calibration_samples` items or no more.

    They are the `inputs` of the batches from the case's `build_calibration(config)`; the last batch is whole. Raises ConfigError
    for a case that has no such function or gives no batch, CaseCrash for batches without inputs.
    """
    case = load_case(Path(config.perf_dir), config.case, config.framework)
    if not hasattr(case, "build_calibration"):
        raise ConfigError(
            "int8 needs data to calibrate with, but benchmarks/{} has no build_calibration; add it (docs/adding-a-case.md), "
            "or set another precision in configs/{}".format(config.case, config.case)
        )
    items = 0
    for batch in case.build_calibration(config):
        if not hasattr(batch, "inputs"):
            raise CaseCrash("build_calibration of {} must give batches with `inputs`, a list of tensors".format(config.case))
        yield list(batch.inputs)
        items += batch.items
        if items >= config.calibration_samples:
            return
    if not items:
        raise ConfigError("{}: build_calibration gave no batch to calibrate with".format(config.case))


def is_quantised(onnx_path: str) -> bool:
    """Whether somebody quantised this ONNX file already, so that there is nothing to calibrate."""
    import onnx  # noqa: PLC0415  (engines that need no ONNX file need no onnx)

    return any(node.op_type == "DequantizeLinear" for node in onnx.load(onnx_path, load_external_data=False).graph.node)


def recipe(engine: str, config: Any, quantiser: str = "") -> str:
    """What makes an engine's compiled file beside the model: `engine`, its name and version, and for int8 the quantiser's, unless
    they are the same, and how many samples of which data it was calibrated with."""
    if config.precision != "int8":
        return engine
    calibrated = "calibrated with {} samples of {}".format(config.calibration_samples, config.data_dir)
    return ", ".join(part for part in (engine, quantiser, calibrated) if part)
