"""What image classifiers share: batches of full size, one query per batch, top-1, and the two forwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, List, Optional, Sequence, Tuple

import torch

from tools.device import torch_device
from tools.framework_engine import FrameworkEngine
from tools.limits import limited
from tools.measure import Measurement, measure


@dataclass(frozen=True)
class Batch:
    """Images for one query: `inputs` has one float tensor [size, C, H, W], of which the first `items` rows are real and the
    rest repeats them; `labels` int64 [size], or None where nobody knows them."""

    items: int
    inputs: List[torch.Tensor]
    labels: Optional[torch.Tensor]
    expected_outputs: int = 1

    @property
    def size(self) -> int:
        """The first dimension that every output must have."""
        return int(self.inputs[0].shape[0])

    def pin_memory(self) -> Batch:
        """The same in memory that a device can copy from directly; DataLoader calls it where it pins."""
        return replace(self, inputs=[tensor.pin_memory() for tensor in self.inputs])


def reference_device(config: Any) -> torch.device:
    """Where the framework's own run takes place: on the accelerator that torch knows, never for vendor cpu."""
    return torch.device(torch_device(config.vendor))


def make_loader(dataset: Any, config: Any) -> Any:
    """A DataLoader over (image tensor, label or None) pairs in their order, whose batches all have `config.batch_size` images.

    `config.data_percent` and `config.max_samples` say how many of them there are.
    """
    return torch.utils.data.DataLoader(
        limited(dataset, config),
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        collate_fn=partial(collate, size=config.batch_size),
        pin_memory=reference_device(config).type == "cuda",
        persistent_workers=config.num_workers > 0,
    )


def make_calibration_loader(dataset: Any, config: Any) -> Any:
    """The same over `config.calibration_samples` of a data set that is not measured, spread evenly over it."""
    return make_loader(dataset, config._replace(data_percent=100.0, max_samples=config.calibration_samples, num_workers=0))


def collate(samples: Sequence[Tuple[torch.Tensor, Optional[int]]], size: int) -> Batch:
    """Make one batch of `size` images; the last ones of a data set are repeated, so that shapes stay static."""
    filled = [samples[index % len(samples)] for index in range(size)]
    labels = [label for _, label in filled if label is not None]
    return Batch(
        items=len(samples),
        inputs=[torch.stack([image for image, _ in filled])],
        labels=torch.tensor(labels) if len(labels) == size else None,
    )


def classify(sut: Any, batch: Batch, config: Any) -> List[torch.Tensor]:
    """One query. Engines that return flat tensors, as FlagPerf's TensorRT does, get their batch dimension back."""
    del config
    outputs: List[torch.Tensor] = sut(batch.inputs)
    return [_unflatten(output, batch.size) for output in outputs]


def top1(outputs: Sequence[torch.Tensor], batch: Batch) -> Optional[Tuple[int, int]]:
    """How many of the real images have their label's score highest, and how many there are; None where labels are unknown."""
    if batch.labels is None:
        return None
    predicted = outputs[0].reshape(batch.size, -1)[: batch.items].argmax(dim=1)
    return int((predicted == batch.labels[: batch.items]).sum()), batch.items


def model_forward(model: Any, dataloader: Any, evaluator: Any, config: Any) -> Measurement:
    """Measure the framework itself, as the reference."""
    return measure(FrameworkEngine(model, config), dataloader, classify, evaluator, config, "validation")


def engine_forward(engine: Any, dataloader: Any, evaluator: Any, config: Any) -> Measurement:
    """Measure the engine."""
    return measure(engine, dataloader, classify, evaluator, config, "inference")


def _unflatten(output: torch.Tensor, size: int) -> torch.Tensor:
    return output.reshape(size, -1) if output.dim() == 1 and output.numel() % size == 0 else output
