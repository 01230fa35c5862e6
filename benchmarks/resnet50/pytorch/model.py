"""transformers' ResNet as ResNet-50 v1.5 (stride in the 3x3 convolution), its weights and its ONNX file."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Dict, List

import torch

from benchmarks.resnet50.pytorch.scoring import has_truth
from benchmarks.resnet50.pytorch.weights import FILES, load_weights, weights_file
from benchmarks.shared.classification import reference_device
from benchmarks.shared.image_folder import ImageFolder
from tools.findings import file_facts
from tools.limits import unlimited
from tools.onnx_export import export


class ResNet50(torch.nn.Module):
    """float [batch, 3, 224, 224] -> scores float [batch, classes]; the tensor alone, which every engine can return."""

    def __init__(self, num_classes: int) -> None:
        from transformers.models.resnet import (  # noqa: PLC0415  (six seconds, and no_validation needs none)
            ResNetConfig,
            ResNetForImageClassification,
        )

        super().__init__()
        self.net = ResNetForImageClassification(ResNetConfig(num_labels=num_classes, downsample_in_bottleneck=False))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the scores of each image's classes."""
        scores: torch.Tensor = self.net(images, return_dict=False)[0]
        return scores


def create_model(config: Any) -> ResNet50:
    """The model with the data directory's weights, else with seeded ones. Raises ConfigError for weights that do not fit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = ResNet50(config.num_classes)
    path = weights_file(config.data_dir)
    if path is not None:
        load_weights(model.net, path)
    return model.eval().to(reference_device(config))


def export_model(model: Any, config: Any) -> str:
    """The path of the ONNX file: `input` [batch, 3, 224, 224], `output` [batch, classes]."""
    images = torch.zeros(config.batch_size, 3, config.image_size, config.image_size)
    return export(model, config, [images], ["input"], ["output"], "transformers " + metadata.version("transformers"))


def describe(model: Any, dataloader: Any, config: Any) -> Dict[str, Any]:
    """The weights' hash, and what keeps the accuracy from being reported."""
    path = None if model is None else weights_file(config.data_dir)
    return {
        "artifacts": {} if path is None else {"weights": file_facts(str(path))},
        "notes": _notes(model, unlimited(dataloader.dataset), config),
        "accuracy_metric": "top1" if has_truth(config) else None,
    }


def _notes(model: Any, dataset: Any, config: Any) -> List[str]:
    notes = []
    if model is not None and weights_file(config.data_dir) is None:
        notes.append("weights: seeded initialisation (no {} in {}): accuracy is not reported".format(FILES[0], config.data_dir))
    if not isinstance(dataset, ImageFolder):
        notes.append("data: {} synthetic images: accuracy is not reported".format(len(dataset)))
    elif dataset.doubt:
        notes.append("labels: " + dataset.doubt)
    return notes
