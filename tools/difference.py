"""How far an engine's outputs are from the framework's on the same inputs, and what that says of the engine."""

from __future__ import annotations

import math
from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from tools.errors import CaseCrash
from tools.figures import Difference, Reason

WRONG_OUTPUTS = "wrong outputs"
PRECISION_NOT_ACTIVE = "precision not active"

EDGES = (0.0, *(10.0**power for power in range(-8, 3)))
"""The histogram's decades: below 1e-8, 1e-8 to 1e-7 … 100 and more."""

COSINE_FLOORS = {"fp32": 0.9999, "fp16": 0.99, "bf16": 0.99, "int8": 0.9}
"""Below these an output is not the model's. 1 - cosine as measured over digits' and (seeded) resnet50's queries, the worst of
torch, onnxruntime, openvino and inductor: fp32 3e-13, fp16 3e-7, bf16 2e-5, int8 3e-4. The floors leave room for deeper models:
they allow for relative errors (rms) of 1.4 %, 14 % and 45 %. Outputs of another input are below 0.35 for digits."""

FP32_NOISE = 3e-5
"""Differences up to this share of the outputs' scale are what one fp32 engine has to another: 1.2e-6 at most in the same
measurement, while fp16 had 7e-4 and more, bf16 4e-3 and int8 2e-2. In between lies their geometric mean."""

_BLOCK = 1 << 17
"""Elements that are compared at a time: 1 MiB of float64, which stays in a processor's cache."""


def difference(
    engine_outputs: Sequence[Sequence[Any]], reference_outputs: Sequence[Sequence[Any]], against: str
) -> Optional[Difference]:
    """Compare what two engines returned for the same queries: per query a list of CPU tensors or numpy arrays, of any type.

    `against` names the reference. None where there is not one element to compare.
    Raises CaseCrash where the numbers of queries or outputs, or the shapes, are not the same.
    """
    pairs = [(_flat(mine), _flat(its)) for mine, its in _pairs(engine_outputs, reference_outputs)]
    elements = sum(len(mine) for mine, _ in pairs)
    if not elements:
        return None
    sums = _Sums(elements)
    for mine, its in pairs:
        sums.add(mine, its)
    return sums.figures(against, len(engine_outputs))


def verdict(difference: Optional[Difference], precision: str) -> List[Reason]:
    """What is wrong with an engine that was asked for `precision` (fp32, fp16, bf16, int8), going by its outputs alone.

    The reference is fp32. NaN is wrong whoever has it; an infinity, which may be a mask's, where the reference has another value.
    `wrong outputs` makes a case INVALID, `precision not active` TAINTED. The latter errs where a model's
    every step is exact in the lower precision too, which needs weights and inputs made for that.
    """
    if difference is None:
        return []
    wrong = _wrong(difference, COSINE_FLOORS[precision])
    if wrong:
        return [Reason(WRONG_OUTPUTS, wrong)]
    too_close = None if precision == "fp32" else _too_close(difference, precision)
    return [Reason(PRECISION_NOT_ACTIVE, too_close)] if too_close else []


def _wrong(found: Difference, floor: float) -> str:
    if found.nan or found.reference_nan or found.infinite_elsewhere:
        text = "of {:,} values {:,} are NaN, of the {}'s {:,}; {:,} are infinite where that one has another value"
        return text.format(found.elements, found.nan, found.against, found.reference_nan, found.infinite_elsewhere)
    if found.lowest_cosine is not None and found.lowest_cosine < floor:
        return (
            "the outputs are not those of the {}: their cosine similarity is {:.4f} at worst, at least {:g} is expected".format(
                found.against, found.lowest_cosine, floor
            )
        )
    return ""


def _too_close(found: Difference, precision: str) -> str:
    if not found.scale or found.max_absolute is None or found.max_absolute > FP32_NOISE * found.scale:
        return ""
    text = "{} was asked for, but no output differs from the {} by more than {:.1e} of the outputs' scale, which is fp32's own"
    return text.format(precision, found.against, found.max_absolute / found.scale)


class _Sums:
    """What is added up over pairs of flat outputs, block by block, so that no copy of all of them is made."""

    def __init__(self, elements: int) -> None:
        self._elements = elements
        self._pairs = self._relatives = 0
        self._absolute = self._relative = self._max_relative = 0.0
        self._scale: Optional[float] = None
        self._broken = np.zeros(4, dtype=np.int64)  # NaN and infinities, the engine's and the reference's
        self._infinite_elsewhere = 0
        self._products = np.zeros(3)
        self._cosines: List[float] = []
        self._at_least = np.zeros(len(EDGES), dtype=np.int64)
        self._largest = _Largest(elements - _rank(elements) + 1)

    def add(self, mine: Any, its: Any) -> None:
        """Take in one output of one query, flat, the engine's and the reference's."""
        products, floating = np.zeros(3), its.dtype.kind == "f"
        for start in range(0, len(mine), _BLOCK):
            engine, reference = self._finite(*(side[start : start + _BLOCK].astype(np.float64) for side in (mine, its)))
            if len(engine):
                products += [
                    (one * other).sum() for one, other in ((engine, reference), (engine, engine), (reference, reference))
                ]
                self._count(engine, reference, floating)
        self._products += products
        cosine = _cosine(products)
        if cosine is not None:
            self._cosines.append(cosine)

    def figures(self, against: str, queries: int) -> Difference:
        """The figures of all that was added."""
        return Difference(
            against=against,
            queries=queries,
            elements=self._elements,
            mean_absolute=self._absolute / self._pairs if self._pairs else None,
            p999_absolute=self._largest.at(self._pairs - _rank(self._pairs)) if self._pairs else None,
            max_absolute=self._largest.at(0) if self._pairs else None,
            mean_relative=self._relative / self._relatives if self._relatives else None,
            max_relative=self._max_relative if self._relatives else None,
            cosine=_cosine(self._products),
            nan=int(self._broken[0]),
            infinite=int(self._broken[1]),
            reference_nan=int(self._broken[2]),
            reference_infinite=int(self._broken[3]),
            edges=EDGES,
            counts=tuple(int(count) for count in self._at_least - np.append(self._at_least[1:], 0)),
            lowest_cosine=min(self._cosines) if self._cosines else None,
            scale=self._scale,
            infinite_elsewhere=self._infinite_elsewhere,
        )

    def _finite(self, engine: Any, reference: Any) -> Tuple[Any, Any]:
        """The pairs in which both are finite; the others are counted."""
        finite = np.isfinite(engine) & np.isfinite(reference)
        if finite.all():
            return engine, reference
        self._broken += [kind(side).sum() for side in (engine, reference) for kind in (np.isnan, np.isinf)]
        self._infinite_elsewhere += int((np.isinf(engine) & (engine != reference)).sum())
        return engine[finite], reference[finite]

    def _count(self, engine: Any, reference: Any, floating: bool) -> None:
        absolute, size = np.abs(engine - reference), np.abs(reference)
        self._pairs += len(absolute)
        self._absolute += float(absolute.sum())
        self._at_least += [len(absolute), *(int(np.count_nonzero(absolute >= edge)) for edge in EDGES[1:])]
        self._largest.add(absolute)
        if floating:
            self._scale = max(self._scale or 0.0, float(size.max()))
        there = size > 0
        relative = absolute / size if there.all() else absolute[there] / size[there]
        if len(relative):
            self._relatives += len(relative)
            self._relative += float(relative.sum())
            self._max_relative = max(self._max_relative, float(relative.max()))


class _Largest:
    """The `count` largest of all the values that were added."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept = np.empty(0)

    def add(self, values: Any) -> None:
        if len(self._kept) == self._count:
            values = values[values > self._kept.min()]
        if len(values):
            together = np.concatenate([self._kept, values])
            excess = len(together) - self._count
            self._kept = together if excess <= 0 else np.partition(together, excess)[excess:]

    def at(self, place: int) -> float:
        """The value that so many others are at least as large as."""
        return float(np.sort(self._kept)[len(self._kept) - 1 - place])


def _rank(count: int) -> int:
    """The nearest rank of the 99.9th percentile among `count` values, from 1; in whole numbers, as 0.999 is none."""
    return -(-count * 999 // 1000)


def _cosine(products: Any) -> Optional[float]:
    """Of (engine x reference, engine x engine, reference x reference): 0 for an engine's zeros, None beside a reference's."""
    mixed, engine, reference = (float(product) for product in products)
    if not reference:
        return None
    return min(1.0, mixed / (math.sqrt(engine) * math.sqrt(reference))) if engine else 0.0


def _pairs(engine_outputs: Sequence[Sequence[Any]], reference_outputs: Sequence[Sequence[Any]]) -> Iterator[Tuple[Any, Any]]:
    if len(engine_outputs) != len(reference_outputs):
        raise CaseCrash("the engine answered {} queries, the reference {}".format(len(engine_outputs), len(reference_outputs)))
    for number, (mine, its) in enumerate(zip(engine_outputs, reference_outputs), start=1):
        shapes, expected = [list(one.shape) for one in mine], [list(one.shape) for one in its]
        if shapes != expected:
            raise CaseCrash(
                "query {}: the engine's outputs have the shapes {}, the reference's {}".format(number, shapes, expected)
            )
        yield from zip(mine, its)


def _flat(output: Any) -> Any:
    """One dimension of numpy's; torch's bfloat16 is no type of numpy's, and fits into float32."""
    if hasattr(output, "detach"):
        output = output.detach()
        output = (output.float() if str(output.dtype) == "torch.bfloat16" else output).numpy()
    return output.reshape(-1)
