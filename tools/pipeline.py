"""The seven steps of one case, in order, and the four switches that leave some of them out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Optional, Tuple

from loguru import logger

from tools.config_manager import PATH_KEYS, Resolved, read_resolved, resolve
from tools.contract import Reason, Result
from tools.environment import environment
from tools.errors import CaseCrash, ConfigError
from tools.findings import Findings, as_measurement, describe_case, file_facts
from tools.insight import compare, count_cost, find_peak, profile_validation, watched, wrong_outputs
from tools.limits import limit_notes
from tools.loader_workers import bounded, hand_over_lost_batches
from tools.loadgen_settings import check_settings
from tools.measure import Measurement, describe
from tools.own_loop import looked_at
from tools.placement import device_of
from tools.plugins import closed, engine_file, load_case, load_engine, module_name, put_on_path
from tools.steps import StepFailed, Steps
from tools.studies import asked, run_studies
from tools.summary import in_words, summarise, write_latencies, write_result
from tools.sweep import Subject

_ENDED = "the guest was ended {}; what was measured before is kept"
_STUDIES = Reason("CRASH", _ENDED.format("during scenarios, audit, profile or sweep"))
_PEAK = Reason("CRASH", _ENDED.format("while this machine's own peak was measured"))


@dataclass(frozen=True)
class Request:
    """Which case to run where; `framework` in full (`pytorch_2.13`), `data_dir` a directory or a built-in name of the case's."""

    perf_dir: Path
    data_dir: str
    log_dir: Path
    case: str
    vendor: str
    framework: str
    settings: Tuple[str, ...] = ()
    config: Optional[Path] = None
    """The file with the resolved config; None to resolve it here."""


def run(request: Request) -> Result:
    """Run the steps and write result.json and latencies.npz, whatever happens on the way.

    A step that fails, Ctrl-C too, is in the result and not raised; only a result that cannot be written raises CaseCrash.
    """
    steps, findings = Steps(), Findings()
    try:
        _measure_case(request, steps, findings)
    except StepFailed as failed:
        findings.failure = failed.reason
    except KeyboardInterrupt:
        findings.failure = Reason("INTERRUPTED", "interrupted between two steps")
    try:
        with steps.step("g"):
            _collect(request, findings, steps)
    except StepFailed as failed:
        findings.failure = findings.failure or failed.reason
    try:
        return _write(request, findings, steps)
    except CaseCrash:
        result = summarise(request.case, request.framework, request.vendor, findings, steps.results())
        logger.error("{}", in_words(result, request.log_dir))  # nothing measured is ever lost: the log may still be read
        raise


def _write(request: Request, findings: Findings, steps: Steps) -> Result:
    """Write result.json with what there is. Raises CaseCrash."""
    result = summarise(request.case, request.framework, request.vendor, findings, steps.results())
    write_result(result, request.log_dir)
    return result


def _keep(request: Request, findings: Findings, steps: Steps, unfinished: Reason) -> None:
    """Write it before what may end the process, `unfinished` being what it says then; a full disk costs no more than that."""
    try:
        _write(request, replace(findings, failure=unfinished), steps)
    except CaseCrash as error:
        logger.warning("{}", error)


def _measure_case(request: Request, steps: Steps, findings: Findings) -> None:
    """Steps a to f."""
    with steps.step("a"):
        findings.resolved = _settle(request)
        config = findings.resolved.config()
        findings.notes += tuple(check_settings(config))
        case = load_case(request.perf_dir, request.case, request.framework)
    with steps.step("b"):
        hand_over_lost_batches()
        dataloader = bounded(case.build_dataloader(config))
        model = None if config.no_validation else case.create_model(config)
        findings.description = describe_case(case, model, dataloader, config)
        findings.notes += limit_notes(dataloader, config)
    _validate(case, model, dataloader, config, steps, findings)
    if config.compiler is None:
        steps.skip("def", "compiler is null")
        return
    onnx_path = _export(case, model, config, steps, findings)
    with steps.step("e", instead=_instead_of_compiling(config)):
        engine = _compile(request, config, onnx_path, model, findings)
    with closed(engine):
        if config.compile_only:
            steps.skip("f", "compile_only is true")
            return
        with steps.step("f"):
            findings.inference = _forward("inference", "engine_forward", engine, dataloader, case, config, findings)
            findings.engine = findings.inference.engine or findings.engine
            findings.devices["inference"] = device_of(findings.engine)
            steps.settle_peaks()
            compare(findings)
            if asked(config):
                keep = partial(_keep, request, findings, steps, _STUDIES)
                keep()
                subject = _subject(request, case, model, config, findings)
                run_studies(subject, engine, findings.inference, findings, request.log_dir, keep)


def _settle(request: Request) -> Resolved:
    """The config, merged here or as it was given, once what could only fail later is refused. Raises ConfigError."""
    put_on_path(request.perf_dir)
    context = {
        "perf_dir": str(request.perf_dir),
        "data_dir": request.data_dir,
        "log_dir": str(request.log_dir),
        "vendor": request.vendor,
        "case": request.case,
        "framework": module_name(request.framework),
    }
    if request.config is not None:
        resolved = read_resolved(request.config, context)
    else:
        resolved = resolve(request.perf_dir, request.case, request.vendor, request.settings, context)
    for level, message in resolved.remarks:
        logger.log(level, "{}", message)
    values = resolved.values
    if request.data_dir not in values["builtin_data"] and not Path(request.data_dir).exists():
        names = ", ".join(values["builtin_data"])
        also = "; data built into this case: " + names if names else ""
        raise ConfigError("data directory {} does not exist{}".format(request.data_dir, also))
    for key in PATH_KEYS:
        if values[key] is not None and not Path(values[key]).exists():
            raise ConfigError("{}: '{}': {} does not exist".format(resolved.origins[key], key, values[key]))
    if values["compiler"] is not None:
        engine_file(request.perf_dir, request.vendor, values["compiler"])
    return resolved


def _validate(case: Any, model: Any, dataloader: Any, config: Any, steps: Steps, findings: Findings) -> None:
    if config.no_validation:
        steps.skip("c", "no_validation is true")
        return
    with steps.step("c"):
        findings.validation = _forward("validation", "model_forward", model, dataloader, case, config, findings)
        findings.devices["validation"] = device_of(findings.validation.engine, model)
        steps.settle_peaks()
        compare(findings)
        if config.profile:
            profile_validation(model, config, findings)
    findings.environment["validation_engine"] = findings.validation.engine
    if config.compiler is None:
        findings.engine = findings.validation.engine


def _forward(phase: str, name: str, subject: Any, dataloader: Any, case: Any, config: Any, findings: Findings) -> Measurement:
    """What the case's function `name` measured on `subject`, its model or its engine."""

    def forward(subject: Any, dataloader: Any) -> Any:
        return getattr(case, name)(subject, dataloader, case.evaluator, config)

    with watched(phase, findings):
        measured = as_measurement(forward(subject, dataloader), name)
    return looked_at(measured, forward, subject, dataloader)


def _export(case: Any, model: Any, config: Any, steps: Steps, findings: Findings) -> Any:
    """The path of the ONNX file; None from a case whose engines need none."""
    if config.exist_onnx_path is not None:
        steps.skip("d", "uses " + config.exist_onnx_path)
        onnx_path = config.exist_onnx_path
    else:
        with steps.step("d"):
            onnx_path = case.export_model(model, config)
    if onnx_path is not None:
        findings.artifacts["onnx"] = {"path": str(onnx_path)}
    if config.exist_compiler_path is not None:
        findings.artifacts["compiled"] = {"path": config.exist_compiler_path}
    return onnx_path


def _compile(request: Request, config: Any, onnx_path: Any, model: Any, findings: Findings) -> Any:
    """The engine; the findings get how long it took to compile, or to load where a compiled file was there."""
    engine, seconds = _made(request, config, onnx_path, model)
    said = describe(engine)
    findings.engine = said
    if config.exist_compiler_path is not None or said.get("compiled_file_cached"):
        findings.load_seconds = seconds
    else:
        findings.compile_seconds = seconds
    if said.get("compiled_file"):
        findings.artifacts["compiled"] = {"path": str(said["compiled_file"])}
    return engine


def _made(request: Request, config: Any, onnx_path: Any, model: Any) -> Tuple[Any, float]:
    """The engine and the seconds that it took, its import among them."""
    began = time.perf_counter()
    return load_engine(request.vendor, config.compiler)(config, onnx_path, model), time.perf_counter() - began


def _subject(request: Request, case: Any, model: Any, config: Any, findings: Findings) -> Subject:
    def compile_for(other: Any) -> Tuple[Any, float]:
        return _made(request, other, case.export_model(model, other), model)

    return Subject(case, config, compile_for, partial(wrong_outputs, findings))


def _instead_of_compiling(config: Any) -> str:
    return "" if config.exist_compiler_path is None else "loads " + config.exist_compiler_path


def _collect(request: Request, findings: Findings, steps: Steps) -> None:
    """Gather what the result needs beside the numbers, the peak last, as it asks the machine for all that it has."""
    findings.environment.update(environment())
    _write_raw(request, findings)
    if findings.failure is None:
        count_cost(findings)
        _keep(request, findings, steps, _PEAK)
        find_peak(findings)


def _write_raw(request: Request, findings: Findings) -> None:
    """Latencies and hashes; a full disk costs them, not the result."""
    try:
        request.log_dir.mkdir(parents=True, exist_ok=True)
        write_latencies(findings, request.log_dir)
        findings.artifacts.update({name: file_facts(facts["path"]) for name, facts in findings.artifacts.items()})
    except OSError as error:
        logger.warning("{}", error)
        findings.notes += ("raw latencies or hashes are missing: {}".format(error),)
