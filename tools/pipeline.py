"""The seven steps of one case, in order, and the four switches that leave some of them out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Tuple

from loguru import logger

from tools.config_manager import Resolved, resolve
from tools.contract import Reason, Result
from tools.environment import environment
from tools.errors import CaseCrash, ConfigError
from tools.findings import Findings, as_measurement, describe_case, file_facts
from tools.measure import describe
from tools.plugins import engine_file, load_case, load_engine, module_name, put_on_path
from tools.steps import StepFailed, Steps
from tools.summary import in_words, summarise, write_latencies, write_result


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
            _collect(request, findings)
    except StepFailed as failed:
        findings.failure = findings.failure or failed.reason
    result = summarise(request.case, request.framework, request.vendor, findings, steps.results())
    try:
        write_result(result, request.log_dir)
    except CaseCrash:
        logger.error("{}", in_words(result, request.log_dir))  # nothing measured is ever lost: the log may still be read
        raise
    return result


def _measure_case(request: Request, steps: Steps, findings: Findings) -> None:
    """Steps a to f."""
    with steps.step("a"):
        findings.resolved = _settle(request)
        config = findings.resolved.config()
        case = load_case(request.perf_dir, request.case, request.framework)
    with steps.step("b"):
        dataloader = case.build_dataloader(config)
        model = None if config.no_validation else case.create_model(config)
        findings.description = describe_case(case, model, dataloader, config)
    _validate(case, model, dataloader, config, steps, findings)
    if config.compiler is None:
        steps.skip("def", "compiler is null")
        return
    onnx_path = _export(case, model, config, steps, findings)
    with steps.step("e", instead=_instead_of_compiling(config)):
        engine = load_engine(request.vendor, config.compiler)(config, onnx_path, model)
        findings.engine = describe(engine)
    with steps.step("f"), _closed(engine):
        findings.inference = as_measurement(case.engine_forward(engine, dataloader, case.evaluator, config), "engine_forward")
        findings.engine = findings.inference.engine or describe(engine)


def _settle(request: Request) -> Resolved:
    """Merge the config and refuse what could only fail later. Raises ConfigError."""
    put_on_path(request.perf_dir)
    context = {
        "perf_dir": str(request.perf_dir),
        "data_dir": request.data_dir,
        "log_dir": str(request.log_dir),
        "vendor": request.vendor,
        "case": request.case,
        "framework": module_name(request.framework),
    }
    resolved = resolve(request.perf_dir, request.case, request.vendor, request.settings, context)
    for level, message in resolved.remarks:
        logger.log(level, "{}", message)
    values = resolved.values
    if request.data_dir not in values["builtin_data"] and not Path(request.data_dir).exists():
        names = ", ".join(values["builtin_data"])
        also = "; data built into this case: " + names if names else ""
        raise ConfigError("data directory {} does not exist{}".format(request.data_dir, also))
    for key in ("exist_onnx_path", "exist_compiler_path"):
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
        findings.validation = as_measurement(case.model_forward(model, dataloader, case.evaluator, config), "model_forward")
    findings.environment["validation_engine"] = findings.validation.engine
    if config.compiler is None:
        findings.engine = findings.validation.engine


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


def _instead_of_compiling(config: Any) -> str:
    return "" if config.exist_compiler_path is None else "loads " + config.exist_compiler_path


@contextmanager
def _closed(engine: Any) -> Iterator[None]:
    """Close an engine that can be closed, on every path."""
    try:
        yield
    finally:
        if hasattr(engine, "close"):
            engine.close()


def _collect(request: Request, findings: Findings) -> None:
    """Gather what the result needs beside the numbers; a full disk costs the raw latencies, not the result."""
    findings.environment.update(environment())
    try:
        write_latencies(findings, request.log_dir)
        findings.artifacts.update({name: file_facts(facts["path"]) for name, facts in findings.artifacts.items()})
    except OSError as error:
        logger.warning("{}", error)
        findings.notes += ("raw latencies or hashes are missing: {}".format(error),)
