"""What is learnt beside the numbers, outside of what is timed: numeric difference, load on the host, cost, peak, profile."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence

from loguru import logger

from tools.contract import Device, Difference, Reason
from tools.device import torch_device
from tools.difference import WRONG_OUTPUTS, difference, verdict
from tools.errors import CaseCrash
from tools.findings import Findings, quoted_device
from tools.flops import cost, disagreement
from tools.host_load import load_doubts, memory_doubts, usage
from tools.judge import accuracy_reasons
from tools.measure import Measurement
from tools.memory import PeakMemory
from tools.peak import measured_peak
from tools.profiling import profile_framework
from tools.sut import TimedSUT

AGAINST = "framework in fp32"


@contextmanager
def watched(phase: str, findings: Findings) -> Iterator[None]:
    """Keep when the phase was; add doubts to the findings if, inside, others loaded the host, or memory ran short."""
    memory, before, began = PeakMemory(), usage(), time.time()
    yield
    findings.windows[phase] = (began, time.time())
    found = load_doubts(before, usage()) + memory_doubts(memory.peak_bytes())
    findings.doubts += tuple(Reason(doubt.kind, "{}: {}".format(phase, doubt.message)) for doubt in found)


def compare(findings: Findings) -> None:
    """Compare what was measured last with the framework's own outputs in fp32, where both are known."""
    validation, inference = findings.validation, findings.inference
    if validation is None or findings.resolved is None:
        return
    precision = findings.resolved.values["precision"]
    reference = validation.fp32_outputs
    if inference is None:
        if validation.reference is not None and validation.outputs:
            findings.validation_difference = _difference(validation.outputs, reference)
            findings.doubts += tuple(_of("validation", verdict(findings.validation_difference, precision)))
    elif inference.outputs and reference:
        findings.difference = _difference(inference.outputs, reference)
        findings.doubts += tuple(_of("inference", verdict(findings.difference, precision)))


def wrong_outputs(findings: Findings, measured: Measurement) -> List[Reason]:
    """Why what was measured at any batch size must not be quoted: held to the accuracy target and the framework's outputs."""
    validation, config = findings.validation, findings.resolved.values if findings.resolved else {}
    if validation is None:
        return []
    found = []
    if findings.description.accuracy_metric is not None:
        found += accuracy_reasons(validation.phase, measured.phase, config.get("accuracy_target"))
    reference = validation.fp32_outputs
    if reference and measured.outputs:
        mine, its = _joined(measured.outputs), _joined(reference)
        common = [min(len(one), len(other)) for one, other in zip(mine, its)]
        pairs = [[[tensor[:count] for tensor, count in zip(tensors, common)]] for tensors in (mine, its)]
        told = verdict(difference(pairs[0], pairs[1], AGAINST), config["precision"])
        found += [reason for reason in told if reason.kind == WRONG_OUTPUTS]
    return found


def _joined(outputs: Sequence[Sequence[Any]]) -> List[Any]:
    """Each output over all queries' items, which another batch size only cuts in another way."""
    import torch  # noqa: PLC0415  (what has outputs has imported it)

    return [torch.cat([torch.as_tensor(tensor) for tensor in column]) for column in zip(*outputs)]


def count_cost(findings: Findings) -> None:
    """Count the exported graph's FLOP, and say where the config disagrees; a file that cannot be counted costs nothing else."""
    if findings.resolved is None or "onnx" not in findings.artifacts:
        return
    values = findings.resolved.values
    try:
        findings.cost = cost(findings.artifacts["onnx"]["path"], values["batch_size"], values["precision"])
    except CaseCrash as error:
        findings.notes += ("FLOP not counted: {}".format(error),)
        return
    counted = findings.cost.flops_per_item
    told = disagreement(counted and counted * _queries_per_batch(findings), values["flops"])
    if told:
        logger.warning("{}", told)
        findings.notes += (told,)


def _queries_per_batch(findings: Findings) -> int:
    """How often the case asks the engine for one batch; the graph is what one query runs."""
    phase = findings.inference.phase if findings.inference else None
    if phase is None or not phase.batches or not phase.queries:
        return 1
    return max(1, round(phase.queries / phase.batches))


def find_peak(findings: Findings) -> None:
    """Measure what the vendor's device can do at the case's precision, where the case's FLOP are known, torch was its framework
    and has that device, and what is quoted ran on it."""
    if findings.resolved is None or "torch" not in sys.modules:
        return
    config, quoted = findings.resolved.config(), quoted_device(findings)
    place = Device(torch_device(config.vendor))
    if place.belongs_to(config.vendor) is False or (quoted is not None and quoted.belongs_to(config.vendor) is False):
        return
    if (config.flops or (findings.cost and findings.cost.flops_per_item)) and not config.compile_only:
        findings.peak = measured_peak(config, place.kind)


def profile_validation(model: Any, config: Any, findings: Findings) -> None:
    """One profiled pass of the framework over the first batch."""
    from tools.framework_engine import FrameworkEngine  # noqa: PLC0415  (imports torch)

    workload = findings.validation.workload if findings.validation else None
    if workload is None:
        return
    engine = FrameworkEngine(model, config)
    batch = next(iter(workload.dataloader))
    findings.profiles += (profile_framework(lambda: workload.forward(TimedSUT(engine), batch, config), Path(config.log_dir)),)


def _difference(outputs: Sequence[Any], reference: Sequence[Any]) -> Optional[Difference]:
    """Over the queries that both have: the slower one may have kept fewer."""
    common = min(len(outputs), len(reference))
    return difference(outputs[:common], reference[:common], AGAINST)


def _of(phase: str, reasons: Optional[List[Reason]]) -> List[Reason]:
    return [Reason(reason.kind, "{}: {}".format(phase, reason.message)) for reason in reasons or ()]
