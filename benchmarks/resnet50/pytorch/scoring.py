"""When resnet50 has an accuracy: real images, and weights that somebody trained."""

from __future__ import annotations

from typing import Any

from benchmarks.resnet50.pytorch.dataloader import SYNTHETIC
from benchmarks.resnet50.pytorch.weights import weights_file
from benchmarks.shared import classification
from tools.measure import Measurement


def has_truth(config: Any) -> bool:
    """Whether labels are known and the weights trained; an ONNX file of the user's own counts as such."""
    return config.data_dir != SYNTHETIC and (config.no_validation or weights_file(config.data_dir) is not None)


def model_forward(model: Any, dataloader: Any, evaluator: Any, config: Any) -> Measurement:
    """Measure the framework itself; without truth there is nothing to evaluate."""
    return classification.model_forward(model, dataloader, evaluator if has_truth(config) else None, config)


def engine_forward(engine: Any, dataloader: Any, evaluator: Any, config: Any) -> Measurement:
    """Measure the engine; without truth there is nothing to evaluate."""
    return classification.engine_forward(engine, dataloader, evaluator if has_truth(config) else None, config)
