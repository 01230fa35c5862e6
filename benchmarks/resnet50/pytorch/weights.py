"""Weights from the data directory, under transformers' names for the layers or torchvision's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Optional

import torch

from tools.errors import ConfigError

FILES = ("resnet50.safetensors", "resnet50.pt")

_TORCHVISION = (
    (r"^conv1\.", "resnet.embedder.embedder.convolution."),
    (r"^bn1\.", "resnet.embedder.embedder.normalization."),
    (r"^fc\.", "classifier.1."),
    (r"\.downsample\.0\.", ".shortcut.convolution."),
    (r"\.downsample\.1\.", ".shortcut.normalization."),
    (r"\.conv(\d)\.", lambda found: ".layer.{}.convolution.".format(int(found[1]) - 1)),
    (r"\.bn(\d)\.", lambda found: ".layer.{}.normalization.".format(int(found[1]) - 1)),
    (r"^layer(\d)\.(\d+)", lambda found: "resnet.encoder.stages.{}.layers.{}".format(int(found[1]) - 1, found[2])),
)  # type: Any


def weights_file(data_dir: str) -> Optional[Path]:
    """The first of FILES that `data_dir` has; None where it has none."""
    return next((Path(data_dir) / name for name in FILES if (Path(data_dir) / name).is_file()), None)


def load_weights(model: Any, path: Path) -> None:
    """Fill `model` (ResNetForImageClassification) from `path`. Raises ConfigError for a file that is not these weights."""
    try:
        state = transformers_names(_read(path))
        model.load_state_dict(state)
    except Exception as error:
        message = " ".join(str(error).split())[:300]
        raise ConfigError(
            "{}: not the weights of ResNet-50: {}; see benchmarks/resnet50/README.md".format(path, message)
        ) from error


def transformers_names(state: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """A state dict with torchvision's names renamed; any other as it is."""
    return {_renamed(name): tensor for name, tensor in state.items()} if "fc.weight" in state else state


def _read(path: Path) -> Dict[str, torch.Tensor]:
    if path.suffix == ".pt":
        state: Dict[str, torch.Tensor] = torch.load(str(path), map_location="cpu", weights_only=True)
        return state
    from safetensors.torch import load_file  # noqa: PLC0415  (not needed without such a file)

    found: Dict[str, torch.Tensor] = load_file(str(path))
    return found


def _renamed(name: str) -> str:
    for pattern, replacement in _TORCHVISION:
        name = re.sub(pattern, replacement, name)
    return name
