"""A run as it really looks, made by hand: what the report's tests and a look at its pages need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from report_parts import make_phase, rich

from tools.contract import STEPS, Reason, Result, StepResult
from utils.monitoring.model import MonitorSummary, Series, Spread
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan
from utils.report.build import build_report, case_report
from utils.report.schema import CaseReport, Report

STARTED = 1_760_000_000.0
STEP_SECONDS = (0.8, 2.1, 14.5, 3.2, 6.4, 9.7, 0.1)


def make_case(case: str = "resnet50", **changes: Any) -> CasePlan:
    framework = "pytorch_2.13"
    image = ImagePlan(vendor="cpu", framework=framework, folder=Path("docker_images/cpu/pytorch_2.13"))
    config = {
        "batch_size": {"value": 8, "origin": "configs/resnet50/configurations.yaml:1"},
        "compiler": {"value": "onnxruntime", "origin": "command line"},
        "fp16": {"value": False, "origin": "configs/resnet50/configurations.yaml:3"},
    }
    values = {"case": case, "framework": framework, "vendor": "cpu", "data": "synthetic", "data_directory": None}
    return CasePlan(**{**values, "image": image, "config": config, **changes})


def make_host(host: str = "localhost", rank: int = 0) -> HostTarget:
    return HostTarget(host=host, rank=rank, ssh=False)


def make_plan(tmp_path: Path = Path("/tmp"), hosts: tuple[HostTarget, ...] = (), **changes: Any) -> RunPlan:
    values: dict[str, Any] = {
        "run_id": "run20251009085320",
        "config_file": Path("configs/host.yaml"),
        "checkout": tmp_path,
        "code_path": "/opt/accelmark",
        "results": tmp_path,
        "log_path": "result",
        "vendor": "cpu",
        "runtime": "process",
        "hosts": hosts or (make_host(),),
        "cases": (make_case(),),
        "host_config": {
            "VENDOR": {"value": "cpu", "origin": "configs/host.yaml:3"},
            "SHM_SIZE": {"value": "32G", "origin": "default"},
        },
    }
    return RunPlan(**{**values, **changes})


def make_steps(outcomes: str = "ooooooo") -> list[StepResult]:
    """The seven steps; one letter each: o(k), s(kipped), f(ailed)."""
    names = {"o": "ok", "s": "skipped", "f": "failed"}
    steps, now = [], STARTED
    for place, ((letter, name), seconds) in enumerate(zip(STEPS, STEP_SECONDS, strict=True)):
        outcome = names[outcomes[place]]
        if outcome == "skipped":
            steps.append(StepResult(letter, name, outcome))
            continue
        steps.append(StepResult(letter, name, outcome, now, seconds, int((0.3 + 0.25 * place) * 2**30)))
        now += seconds
    return steps


def make_result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "case": "resnet50",
        "framework": "pytorch",
        "vendor": "cpu",
        "compiler": "onnxruntime",
        "precision": "fp32",
        "batch_size": 8,
        "status": "OK",
        "validation": make_phase(45.1),
        "inference": make_phase(123.4),
        "flops_per_item": 8.18e9,
        "steps": make_steps(),
        "config": make_case().config,
        "engine": {"device": "CPU", "precision": "fp32", "threads": 2},
        "environment": {"python": "3.11.2", "torch": "2.13.0+cpu", "cpu": {"name": "Example CPU 9000", "cores": 2}},
        "artifacts": {"onnx": {"path": "onnxs/resnet50_3f9c.onnx", "sha256": "3f9c" * 16}},
    }
    return Result(**{**values, **changes})


def make_monitor(**changes: Any) -> MonitorSummary:
    """A vendor monitor at 2 Hz with 30 W at rest and 65 W while a model runs."""
    times = [STARTED + 0.5 * place for place in range(72)]
    watts = [65.0 if 2.9 < time - STARTED < 17.4 or 27 < time - STARTED < 36.7 else 30.0 for time in times]
    values: dict[str, Any] = {
        "monitor": "cpu",
        "readings": len(times),
        "devices": ("0",),
        "chip": "Example CPU 9000",
        "memory_used_max_bytes": 6.2 * 2**30,
        "memory_total_bytes": 16.0 * 2**30,
        "utilisation_percent": Spread(71.0, 4.0, 100.0),
        "power_watts": Spread(62.3, 30.0, 65.0),
        "energy_joules": 507.3,
        "temperature_celsius": Spread(61.0, 48.0, 74.0),
        "peak_flops": {"fp32": 2.4e12},
        "window": (STARTED + 27.0, STARTED + 36.7),
        "peak_source": "https://example.com/datasheet",
        "series": (
            Series("power_watts", "W", "0", times, watts),
            Series("utilisation_percent", "%", "0", times, [watt * 1.5 for watt in watts]),
            Series("memory_used_bytes", "B", "0", times, [(2 + 0.05 * place) * 2**30 for place in range(72)]),
        ),
    }
    return MonitorSummary(**{**values, **changes})


def make_case_report(result: Result | None = None, monitor: MonitorSummary | None = None, **changes: Any) -> CaseReport:
    measured = result or make_result(**changes)
    return case_report(make_plan(), make_case(measured.case), make_host(), measured, monitor)


def make_report(*cases: CaseReport, **plan: Any) -> Report:
    return build_report(make_plan(**plan), cases or (make_case_report(monitor=make_monitor()),), STARTED, 192.0)


def example_report() -> Report:
    """Four cases: OK, TAINTED, INVALID and FAILED."""
    unstable = Reason("stability", "the three windows of the warm-up never agreed within 5 %; the last one differs by 12.1 %")
    wrong = Reason("accuracy", "top1 is 0.001, the target is 0.753; run with 'compiler: null' to see which side is wrong")
    memory = Reason("OOM", "bertLarge: the container was ended at its memory limit of 4 GiB\nin step c, framework validation")
    digits = make_result(
        case="digits",
        compiler="openvino",
        batch_size=64,
        accuracy_metric="top1",
        validation=make_phase(8123.4, 0.9833, 1500, 64),
        inference=make_phase(61234.5, 0.9833, 1500, 64),
        flops_per_item=2.1e6,
        **rich(),
    )
    tainted = make_result(
        status="TAINTED", reasons=[unstable], notes=["weights are a seeded initialisation; no accuracy is given"]
    )
    invalid = make_result(
        compiler="inductor",
        precision="bf16",
        status="INVALID",
        reasons=[wrong],
        inference=make_phase(201.9, 0.001, 700),
        validation=make_phase(45.1, 0.761),
        accuracy_metric="top1",
    )
    failed = make_case_report(
        Result("bertLarge", "pytorch_2.13", "cpu", status="FAILED", reasons=[memory], steps=make_steps("oofssss"))
    )
    unpublished = make_monitor(peak_flops=None, peak_source=None)
    measured = [make_case_report(result, make_monitor()) for result in (tainted, invalid)]
    return make_report(make_case_report(digits, unpublished), *measured, failed, overrides=("--set compiler=onnxruntime",))
