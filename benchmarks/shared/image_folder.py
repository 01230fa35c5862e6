"""A folder of images as ImageNet lays it out, one sub-folder per class, as the tensors a classifier was trained to see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from benchmarks.shared.class_folders import CLASS_LIST, Labels, read_labels
from tools.errors import CaseCrash, ConfigError

SUFFIXES = (".jpeg", ".jpg", ".png")
DEEP_WHITE = 65535
"""The largest value of 16 bits."""

CALIBRATION = "calibration"
"""The folder beside the classes, or beside `val`, whose images are for calibrating and never measured."""


@dataclass(frozen=True)
class Preparation:
    """How an image becomes a tensor: shorter side to `resize` (bilinear), centre `crop`, 0..1, then (x - mean) / std per channel.

    Source: https://github.com/pytorch/vision/blob/main/references/classification/presets.py (ClassificationPresetEval)
    """

    resize: int
    crop: int
    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, image: Any) -> torch.Tensor:
        """Return float [3, crop, crop] of a PIL image of any mode."""
        image = _centre(_shorter_side(_rgb(image), self.resize), self.crop)
        pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
        normalised = (pixels - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))


class ImageFolder(torch.utils.data.Dataset[Any]):
    """(tensor, class index) of every image below `data_dir`, or its sub-folder `val` where there is one; `doubt` is what a reader
    must know of the indices, empty where there is nothing.

    Raises ConfigError for a folder without images, without classes or with more classes than the model has.
    """

    def __init__(self, data_dir: str, preparation: Preparation, num_classes: int) -> None:
        root = evaluated_folder(data_dir)
        labels = _labels(root, Path(data_dir) / CLASS_LIST, num_classes)
        self.classes, self.doubt = labels.indices, labels.doubt
        self.samples = _samples(root, self.classes)
        self._preparation = preparation

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tuple[torch.Tensor, int]:
        path, label = self.samples[index]
        return decoded(path, self._preparation), label


def evaluated_folder(data_dir: str) -> Path:
    """Where the classes are: the sub-folder `val` where there is one."""
    root = Path(data_dir)
    return root / "val" if (root / "val").is_dir() else root


def decoded(path: str, preparation: Preparation) -> torch.Tensor:
    """An image file as a tensor. Raises CaseCrash naming the file if it is none."""
    try:
        with Image.open(path) as image:
            return preparation(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CaseCrash("{}: cannot be decoded: {}; replace or remove the file".format(path, error)) from error


def _labels(root: Path, class_list: Path, num_classes: int) -> Labels:
    if not root.is_dir():
        raise ConfigError("data directory {} is no folder; expected <folder per class>/<image>.JPEG in it".format(root))
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    folders = [name for name in folders if name != CALIBRATION]
    if not folders:
        raise ConfigError(
            "{}: no folders in it; expected <folder per class>/<image>.JPEG, or the data word 'synthetic'".format(root)
        )
    try:
        return read_labels(folders, class_list, num_classes)
    except ConfigError as error:
        raise ConfigError("{}: {}".format(root, error)) from error


def _samples(root: Path, classes: Dict[str, int]) -> List[Tuple[str, int]]:
    found: List[Tuple[str, int]] = []
    for name, label in classes.items():
        images = sorted(str(path) for path in (root / name).iterdir() if path.suffix.lower() in SUFFIXES)
        if not images:
            raise ConfigError("{}: no image ({}) in it; add some or remove the folder".format(root / name, ", ".join(SUFFIXES)))
        found.extend((path, label) for path in images)
    return found


def _rgb(image: Any) -> Any:
    """As published pipelines do: alpha is dropped, and a camera's orientation is not followed. But 16 bits of grey would be cut
    off at 255 by PIL, which is white. Raises ValueError for pixels of an unknown range.
    """
    if image.mode == "F" or (image.mode == "I" and not 0 <= image.getextrema()[0] <= image.getextrema()[1] <= DEEP_WHITE):
        raise ValueError("the range of its pixels (mode {}) is not known; save it with 8 or 16 bits".format(image.mode))
    if image.mode.split(";")[0] == "I":  # I;16, I;16B, and I of older versions
        return Image.fromarray((np.asarray(image) * (255 / DEEP_WHITE)).round().astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _shorter_side(image: Any, length: int) -> Any:
    width, height = image.size
    if width <= height:
        return image.resize((length, int(length * height / width)), Image.Resampling.BILINEAR)
    return image.resize((int(length * width / height), length), Image.Resampling.BILINEAR)


def _centre(image: Any, length: int) -> Any:
    left, top = (round((side - length) / 2.0) for side in image.size)
    return image.crop((left, top, left + length, top + length))
