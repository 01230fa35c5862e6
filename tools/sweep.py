"""The sweep over batch sizes and numbers of clients: one point after the other, and the knee of the curve that they make."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Callable, ContextManager, Iterator, List, Optional, Sequence, Tuple

from loguru import logger

from tools.clients import SERIALISED, is_concurrent, measure_clients
from tools.contract import FAILED, INVALID, OK, TAINTED, Phase, Reason, SweepPoint
from tools.device import is_out_of_memory
from tools.difference import WRONG_OUTPUTS, difference, verdict
from tools.errors import ConfigError
from tools.findings import as_measurement
from tools.host_load import memory_left
from tools.loader_workers import bounded
from tools.measure import Measurement
from tools.memory import bounded_memory
from tools.own_loop import looked_at
from tools.plugins import closed
from tools.steps import reason_for

NO_MEMORY = "out of memory"

MOST_OF_MEMORY = 0.95
"""A batch size may take this share of the memory that is left; what takes more is refused, before the kernel ends the run."""


@dataclass(frozen=True)
class Subject:
    """The case, its config, `compile(config) -> (engine, seconds)` for other batch sizes, and `wrong(measured)`: why
    what was measured there must not be quoted."""

    case: Any
    config: Any
    compile: Callable[[Any], Tuple[Any, float]]
    wrong: Callable[[Measurement], Sequence[Reason]]


def sweep(
    subject: Subject, engine: Any, measured: Measurement, keep: Callable[[Sequence[SweepPoint]], None] = lambda _: None
) -> Tuple[SweepPoint, ...]:
    """Measure every batch size of `config.batch_sizes` with every number of `config.clients`, and mark the knee.

    `measured` is the case's own batch size on `engine`, which is not measured again. Where shapes are static, each other size is
    compiled anew. A batch that runs out of memory ends the sweep upward: on a processor, too, as far as compiling and one client
    go (the stacks of many clients' threads reserve more than they use). After each point `keep` gets all that there are.
    """
    config = subject.config
    points: List[SweepPoint] = []
    for batch_size in config.batch_sizes or (config.batch_size,):
        for point in _of_one_size(subject, batch_size, engine, measured):
            points.append(point)
            keep(with_knee(points))
        if points[-1].detail.startswith(NO_MEMORY):
            break
    return with_knee(points)


def _of_one_size(subject: Subject, batch_size: int, engine: Any, measured: Measurement) -> Iterator[SweepPoint]:
    config, clients = subject.config._replace(batch_size=batch_size), 1
    try:
        with _engine_for(subject, config, engine) as (running, seconds):
            one = measured if batch_size == subject.config.batch_size else _one_client(subject, config, running)
            for clients in config.clients or (1,):
                logger.info("sweep: batch size {}, {} client(s)", batch_size, clients)
                phase, wrong = _measured(subject, one, running, clients)
                yield _point(config, clients, phase, wrong, seconds, running)
    except Exception as error:  # what one size does to a plug-in costs no other size its figures
        logger.opt(exception=error).warning("sweep: batch size {} failed", batch_size)
        message = reason_for("sweep", error).message.partition(": ")[2]
        detail = "{}: {}".format(NO_MEMORY, message) if is_out_of_memory(error) else message
        yield SweepPoint(batch_size, clients, FAILED, detail=detail)


@contextmanager
def _engine_for(subject: Subject, config: Any, engine: Any) -> Iterator[Tuple[Any, Optional[float]]]:
    """The case's engine where it takes this batch size, else one compiled for it, and for how long."""
    if config.dynamic_batch or config.batch_size == subject.config.batch_size:
        yield engine, None
        return
    if config.exist_onnx_path is not None or config.exist_compiler_path is not None:
        raise ConfigError("another batch size needs an export of its own; set dynamic_batch where the file's batch is dynamic")
    with _bounded(config):
        made, seconds = subject.compile(config)
    with closed(made):
        yield made, seconds


def _one_client(subject: Subject, config: Any, engine: Any) -> Measurement:
    case = subject.case

    def forward(engine: Any, dataloader: Any) -> Any:
        return case.engine_forward(engine, dataloader, case.evaluator, config)

    with _bounded(config):
        dataloader = bounded(case.build_dataloader(config))
        return looked_at(as_measurement(forward(engine, dataloader), "engine_forward"), forward, engine, dataloader)


def _bounded(config: Any) -> ContextManager[None]:
    """A device refuses what it does not have by itself."""
    left = memory_left() if config.vendor == "cpu" else None
    return bounded_memory(None if left is None else int(MOST_OF_MEMORY * left))


def _measured(subject: Subject, one: Measurement, engine: Any, clients: int) -> Tuple[Phase, Sequence[Reason]]:
    """The phase, and why it must not be quoted. What several clients get is held to what one gets."""
    wrong = list(subject.wrong(one))
    if clients == 1:
        return one.phase, wrong
    if one.workload is None:
        raise ConfigError("clients need a case that measures with tools.measure")
    phase, outputs = measure_clients(engine, one.workload, clients)
    return phase, [*wrong, *_unlike_one_client(outputs, one, subject.config.precision)]


def _unlike_one_client(outputs: Sequence[Tuple[int, Any]], one: Measurement, precision: str) -> Sequence[Reason]:
    known = [(place, tensors) for place, tensors in outputs if place < len(one.outputs)]
    mine = [[tensor[: len(its)] for tensor, its in zip(tensors, one.outputs[place])] for place, tensors in known]
    found = difference(mine, [one.outputs[place] for place, _ in known], "engine with one client")
    return [reason for reason in verdict(found, precision) if reason.kind == WRONG_OUTPUTS]


def _point(config: Any, clients: int, phase: Phase, wrong: Sequence[Reason], seconds: Optional[float], engine: Any) -> SweepPoint:
    notes = [reason.message for reason in (*wrong, *phase.doubts)]
    notes += [SERIALISED] if clients > 1 and not is_concurrent(engine) else []
    wrong = [*wrong, *(doubt for doubt in phase.doubts if doubt.kind == WRONG_OUTPUTS)]
    status = INVALID if wrong else TAINTED if phase.doubts else OK
    return SweepPoint(config.batch_size, clients, status, phase, seconds, detail="; ".join(notes))


def with_knee(points: Sequence[SweepPoint]) -> Tuple[SweepPoint, ...]:
    """Mark the point of the greatest power, throughput divided by mean latency: beyond it, a share more throughput costs a
    larger share of latency. No mark for fewer than three points, nor on one that must not be quoted.

    Source: L. Kleinrock, Power and deterministic rules of thumb for probabilistic problems in computer communications, 1979.
    """
    powers = [_power(point) for point in points]
    if sum(power > 0 for power in powers) < 3:
        return tuple(points)
    best = powers.index(max(powers))
    return tuple(replace(point, knee=index == best) for index, point in enumerate(points))


def _power(point: SweepPoint) -> float:
    phase = point.phase
    if point.status == INVALID or phase is None or not phase.core or phase.latency is None:
        return 0.0
    return phase.core / phase.latency.mean_ns
