"""Static post-training quantisation to int8 for ONNX Runtime, by its own tool, with QuantizeLinear and DequantizeLinear nodes."""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tools.calibration import calibration_inputs
from tools.environment import cpu_flags

EXACT = ("avx512_vnni", "avx_vnni", "asimddp")
"""Processors with one of these add up products of 8 bits without overflow; on others weights take 7 bits."""


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """The case's calibration queries, one by one, as the quantiser asks for them."""

    def __init__(self, config: Any, names: List[str]) -> None:
        self._queries = calibration_inputs(config)
        self._names = names

    def get_next(self) -> Optional[Dict[str, Any]]:
        """The next query's feeds; None after the last."""
        query = next(self._queries, None)
        return None if query is None else {name: tensor.numpy() for name, tensor in zip(self._names, query)}


@contextmanager
def quantised(simplified: str, names: List[str], config: Any) -> Iterator[str]:
    """The path of an int8 copy of the model `simplified` with inputs `names`, for as long as the context is open.

    Weights are quantised per channel and activations as unsigned, as ONNX Runtime advises for x86 processors:
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    with tempfile.TemporaryDirectory(prefix="int8") as folder, _quiet():
        target = Path(folder) / "quantised.onnx"
        quantize_static(
            simplified, str(target), Reader(config, names), quant_format=QuantFormat.QDQ, per_channel=True,
            reduce_range=not set(EXACT) & set(cpu_flags().split()), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            use_external_data_format=True,
        )  # fmt: skip
        yield str(target)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser from advising to simplify what is simplified, and from setting up the root logger for that."""
    disabled, handlers = logging.root.manager.disable, list(logging.root.handlers)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers
