"""Makes weights.safetensors: `python -m benchmarks.digits.pytorch.train` from the project's folder (half a minute)."""

from __future__ import annotations

from typing import Any

import torch
from loguru import logger
from safetensors.torch import save_file

from benchmarks.digits.pytorch.dataloader import split
from benchmarks.digits.pytorch.model import WEIGHTS, DigitsCNN

SEED = 0
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 2e-3


def main() -> None:
    """Train on the images that are not held out, judge on those that are, save."""
    torch.manual_seed(SEED)
    (images, labels), (held_out, truth) = split()
    model = DigitsCNN()
    train(model, images, torch.tensor(labels))
    logger.info("top-1 on {} held-out images: {:.4f}", len(held_out), accuracy(model, held_out, torch.tensor(truth)))
    save_file(model.state_dict(), str(WEIGHTS))


def train(model: DigitsCNN, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Cross-entropy, Adam with a one-cycle rate, images shifted by up to one pixel."""
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    model.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(model(shifted(images[chosen])), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()


def shifted(images: torch.Tensor) -> torch.Tensor:
    """All images moved by the same -1, 0 or 1 pixel in each direction, zeros moving in."""
    down, right = (int(offset) for offset in torch.randint(0, 3, (2,)))
    return torch.nn.functional.pad(images, (1, 1, 1, 1))[:, :, down : down + 8, right : right + 8]


@torch.no_grad()
def accuracy(model: Any, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of images whose label scores highest."""
    return float((model(images).argmax(dim=1) == labels).float().mean())


if __name__ == "__main__":
    main()
