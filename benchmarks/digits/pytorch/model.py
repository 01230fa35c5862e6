"""A CNN of 29 thousand parameters for 8x8 grey images, its weights and its ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import torch
from torch import nn

from benchmarks.shared.classification import reference_device
from tools.findings import file_facts
from tools.onnx_export import export

WEIGHTS = Path(__file__).with_name("weights.safetensors")


class DigitsCNN(nn.Module):
    """float [batch, 1, 8, 8] in 0..1 -> scores float [batch, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 4 * 4, 10),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the ten scores of each image."""
        scores: torch.Tensor = self.layers(images)
        return scores


def create_model(config: Any) -> DigitsCNN:
    """The CNN with the weights that train.py left here."""
    from safetensors.torch import load_file  # noqa: PLC0415  (train.py's reader may have none yet)

    model = DigitsCNN()
    model.load_state_dict(load_file(str(WEIGHTS)))
    return model.eval().to(reference_device(config))


def export_model(model: Any, config: Any) -> str:
    """The path of the ONNX file: `input` [batch, 1, 8, 8], `output` [batch, 10]."""
    images = torch.zeros(config.batch_size, 1, 8, 8)
    return export(model, config, [images], ["input"], ["output"])


def describe(model: Any, dataloader: Any, config: Any) -> Dict[str, Any]:
    """The weights' hash; top-1 is counted over the held-out images."""
    del model, dataloader, config
    return {"artifacts": {"weights": file_facts(str(WEIGHTS))}, "accuracy_metric": "top1"}
