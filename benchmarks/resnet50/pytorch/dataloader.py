"""ImageNet's validation images from a folder, or fixed random ones."""

from __future__ import annotations

from typing import Any, List, Tuple

import torch

from benchmarks.shared.classification import make_loader
from benchmarks.shared.image_folder import ImageFolder, Preparation

SYNTHETIC = "synthetic"


def build_dataloader(config: Any) -> Any:
    """Images float [batch, 3, 224, 224], normalised. Raises ConfigError where the folder holds no such images."""
    if config.data_dir == SYNTHETIC:
        return make_loader(synthetic_images(config), config)
    preparation = Preparation(config.resize, config.image_size, config.mean, config.std)
    return make_loader(ImageFolder(config.data_dir, preparation, config.num_classes), config)


def synthetic_images(config: Any) -> List[Tuple[torch.Tensor, None]]:
    """Seeded normal noise, which is what normalised images are like to an engine; nobody knows its classes."""
    generator = torch.Generator().manual_seed(config.seed)
    shape = (config.synthetic_images, 3, config.image_size, config.image_size)
    return [(image, None) for image in torch.randn(shape, generator=generator)]
