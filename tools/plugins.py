"""Finds a case and an engine by their path, which is their name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator, List

from tools.errors import CaseCrash, ConfigError

CASE_FUNCTIONS = ("build_dataloader", "create_model", "evaluator", "model_forward", "export_model", "engine_forward")


def put_on_path(perf_dir: Path) -> None:
    """Let cases and engines of `perf_dir` be imported, before those of any other place."""
    folder = str(perf_dir)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def module_name(framework: str) -> str:
    """The framework without its version, as folders and `config.framework` have it: `pytorch` of `pytorch_2.13`."""
    return framework.split("_", maxsplit=1)[0]


def load_case(perf_dir: Path, case: str, framework: str) -> ModuleType:
    """Import `benchmarks/<case>/<framework>`. Raises ConfigError if there is none, CaseCrash if it cannot be used."""
    folder = perf_dir / "benchmarks" / case / module_name(framework)
    if not (folder / "__init__.py").exists():
        raise ConfigError("no case {}: {} is missing; there is {}".format(case, folder / "__init__.py", _cases(perf_dir)))
    module = _import(".".join(("benchmarks", case, module_name(framework))), "the case's requirements.txt")
    missing = [name for name in CASE_FUNCTIONS if not hasattr(module, name)]
    if missing:
        raise CaseCrash("{} must export {}; missing: {}".format(folder, ", ".join(CASE_FUNCTIONS), ", ".join(missing)))
    return module


def engine_file(perf_dir: Path, vendor: str, compiler: str) -> Path:
    """Where the engine is. Raises ConfigError if it is not; nothing is imported, as some engines start their device then."""
    folder = perf_dir / "inference_engine" / vendor
    for path in (folder / (compiler + ".py"), folder / compiler / "__init__.py"):
        if path.exists():
            return path
    there = ", ".join(sorted(path.stem for path in folder.glob("[!_]*.py"))) or "none"
    raise ConfigError(
        "compiler {}: {} is missing; vendor {} has: {}".format(compiler, folder / (compiler + ".py"), vendor, there)
    )


def load_engine(vendor: str, compiler: str) -> Any:
    """Import `InferModel` of an engine. Raises CaseCrash if it cannot be used."""
    name = ".".join(("inference_engine", vendor, compiler))
    module = _import(name, "the image")
    if not hasattr(module, "InferModel"):
        raise CaseCrash("{} must have a class InferModel".format(name))
    return module.InferModel


def _import(name: str, remedy: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CaseCrash("{} needs the package '{}'; is it in {}?".format(name, error.name, remedy)) from error


def _cases(perf_dir: Path) -> str:
    found: List[str] = sorted(
        "{}:{}".format(path.parent.parent.name, path.parent.name) for path in (perf_dir / "benchmarks").glob("*/*/__init__.py")
    )
    return ", ".join(found) or "none"


@contextmanager
def closed(engine: Any) -> Iterator[None]:
    """Close an engine that can be closed, on every path."""
    try:
        yield
    finally:
        if hasattr(engine, "close"):
            engine.close()
