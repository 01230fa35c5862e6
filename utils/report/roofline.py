"""Where a model stands on a chip's roofline: whether memory or arithmetic bounds it, and how much of what is left it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.contract import Cost, Peak

Bound = Literal["memory", "arithmetic"]


@dataclass(frozen=True)
class Roofline:
    """A model at one batch size on one chip. FLOP per byte, FLOP/s; ratios are 1 at the limit.

    `attainable_flops` is the most that `intensity` lets the chip do, `attained` the share of that which was reached: None where
    nothing was measured. As `intensity` counts only what must be moved at least, it and `attainable_flops` are upper limits.
    """

    intensity: float
    ridge: float
    bound: Bound
    peak_flops: float
    peak_bytes_per_second: float
    attainable_flops: float
    achieved_flops: float | None
    mfu: float | None
    attained: float | None
    source: str


def roofline(
    cost: Cost | None, peak: Peak | None, batch_size: int | None, core: float | None, flops_per_item: float | None = None
) -> Roofline | None:
    """Return the position of a model that runs `core` items per second in queries of `batch_size`; None where the model's FLOP or
    bytes, or one of the chip's two peaks, is not known. `flops_per_item` is told where an item takes more than one query.

    Source: S. Williams, A. Waterman, D. Patterson, "Roofline", CACM 52(4), 2009, https://doi.org/10.1145/1498765.1498785
    """
    if cost is None or peak is None or not cost.flops_per_item or not cost.bytes_per_query or not batch_size:
        return None
    if not peak.flops or not peak.bytes_per_second or cost.uncounted:
        return None
    intensity = cost.flops_per_item * batch_size / cost.bytes_per_query
    ridge = peak.flops / peak.bytes_per_second
    attainable = min(peak.flops, intensity * peak.bytes_per_second)
    achieved = None if core is None else core * (flops_per_item or cost.flops_per_item)
    return Roofline(
        intensity=intensity,
        ridge=ridge,
        bound="memory" if intensity < ridge else "arithmetic",
        peak_flops=peak.flops,
        peak_bytes_per_second=peak.bytes_per_second,
        attainable_flops=attainable,
        achieved_flops=achieved,
        mfu=None if achieved is None else achieved / peak.flops,
        attained=None if achieved is None else achieved / attainable,
        source=peak.source,
    )
