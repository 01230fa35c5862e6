"""ImageNet's validation images from a folder, or fixed random ones."""

from __future__ import annotations

from typing import Any, List, Tuple

import torch

from benchmarks.shared.calibration_folder import Images, calibration_images
from benchmarks.shared.classification import make_calibration_loader, make_loader
from benchmarks.shared.image_folder import ImageFolder, Preparation

SYNTHETIC = "synthetic"


def build_dataloader(config: Any) -> Any:
    """Images float [batch, 3, 224, 224], normalised. Raises ConfigError where the folder holds no such images."""
    if config.data_dir == SYNTHETIC:
        return make_loader(synthetic_images(config, config.synthetic_images, config.seed), config)
    return make_loader(ImageFolder(config.data_dir, _preparation(config), config.num_classes), config)


def build_calibration(config: Any) -> Any:
    """Images to calibrate int8 with, none of which is measured: from their own folder, or synthetic ones of another seed.

    Raises ConfigError where there is no such folder.
    """
    if config.data_dir == SYNTHETIC:
        images = synthetic_images(config, config.calibration_samples, config.seed + 1)
        return make_calibration_loader(images, config)
    paths = calibration_images(config.data_dir, config.calibration_samples)
    return make_calibration_loader(Images(paths, _preparation(config)), config)


def synthetic_images(config: Any, count: int, seed: int) -> List[Tuple[torch.Tensor, None]]:
    """Seeded normal noise, which is what normalised images are like to an engine; nobody knows its classes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, config.image_size, config.image_size)
    return [(image, None) for image in torch.randn(shape, generator=generator)]


def _preparation(config: Any) -> Preparation:
    return Preparation(config.resize, config.image_size, config.mean, config.std)
