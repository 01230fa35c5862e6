"""oneDNN's fpmath mode: models in fp32 whose convolutions and matrix products torch computes in bf16, on CPUs that can."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Iterator, List

import torch

ACTIVE = 1e-4
"""Relative difference from fp32 above which a product was bf16's: that has 3e-3, another fp32 kernel 1e-6."""


@contextmanager
def bf16_products() -> Iterator[None]:
    """Let oneDNN round what it multiplies to bf16; everything is as it was afterwards, also after an error.

    The setting is the process's, so that only one thread may be in here. Source: https://docs.pytorch.org/docs/stable/notes/mkldnn.html
    """
    kinds = _kinds()
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "bf16"
        yield
    finally:
        for kind, precision in zip(kinds, before):
            kind.fp32_precision = precision


@lru_cache(maxsize=None)
def is_honoured() -> bool:
    """Whether this torch (2.9 or newer) has the mode and this CPU takes it for convolutions and matrix products alike.

    oneDNN takes it as leave, not as order: CPUs with bf16 but without AMX ignore it, and compute in fp32.
    """
    if len(_kinds()) < 2:
        return False
    generator = torch.Generator().manual_seed(0)
    image, kernel = torch.randn(1, 64, 16, 16, generator=generator), torch.randn(64, 64, 3, 3, generator=generator)
    square = torch.randn(256, 256, generator=generator)
    products = (lambda: torch.nn.functional.conv2d(image, kernel), lambda: torch.nn.functional.linear(square, square))
    return all(_differs(product) for product in products)


def _differs(product: Any) -> bool:
    with torch.inference_mode():
        exact = product()
        with bf16_products():
            rounded = product()
    return bool((rounded - exact).abs().max() > ACTIVE * exact.abs().max())


def _kinds() -> List[Any]:
    """The switches of torch for convolutions, matrix products and recurrent layers; fewer than two where it is too old."""
    backend = getattr(torch.backends, "mkldnn", None)
    found = [getattr(backend, name, None) for name in ("conv", "matmul", "rnn")]
    return [kind for kind in found if hasattr(kind, "fp32_precision")]
