"""scikit-learn's own digits, split once and for all into images to train with and images to measure with."""

from __future__ import annotations

from typing import Any, List, Tuple

import numpy as np
import torch

from benchmarks.shared.classification import make_calibration_loader, make_loader
from tools.errors import ConfigError

DATA = "embedded"
SPLIT_SEED = 20240229
HELD_OUT_SHARE = 0.2
"""Split and share belong to the weights: with another split the CNN would be measured with what it was trained on."""

WHITE = 16.0
"""The images' largest value. Source: https://archive.ics.uci.edu/dataset/80"""


def build_dataloader(config: Any) -> Any:
    """The held-out images, float [batch, 1, 8, 8] in 0..1. Raises ConfigError for any data but the embedded ones."""
    if config.data_dir != DATA:
        raise ConfigError("digits brings its own images; set its data to '{}' instead of {}".format(DATA, config.data_dir))
    _, (images, labels) = split()
    return make_loader(list(zip(images, labels)), config)


def build_calibration(config: Any) -> Any:
    """Some of the images that the CNN was trained with, none of which is held out."""
    (images, labels), _ = split()
    return make_calibration_loader(list(zip(images, labels)), config)


def split() -> Tuple[Tuple[torch.Tensor, List[int]], Tuple[torch.Tensor, List[int]]]:
    """(images, labels) for training and (images, labels) held out, each class in the same share."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  (two seconds)

    digits = load_digits()
    images = torch.from_numpy((digits.images / WHITE).astype("float32")[:, None])
    held_out = held_out_indices(digits.target)
    rest = np.setdiff1d(np.arange(len(digits.target)), held_out)
    return _pick(images, digits.target, rest), _pick(images, digits.target, held_out)


def held_out_indices(labels: Any) -> Any:
    """The sorted indices of the held-out images; RandomState's numbers are frozen across numpy's versions."""
    random = np.random.RandomState(SPLIT_SEED)
    chosen = []
    for label in np.unique(labels):
        indices = random.permutation(np.flatnonzero(labels == label))
        chosen.extend(indices[: round(len(indices) * HELD_OUT_SHARE)].tolist())
    return np.sort(np.array(chosen))


def _pick(images: torch.Tensor, labels: Any, indices: Any) -> Tuple[torch.Tensor, List[int]]:
    return images[torch.from_numpy(indices)], labels[indices].tolist()
