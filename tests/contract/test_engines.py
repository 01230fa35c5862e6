"""Every engine keeps the contract, whoever wrote it; nothing of a vendor's is imported, as not every machine has it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "inference_engine"
SOURCES = sorted(path for path in FOLDER.rglob("*.py"))
ENGINES = [path for path in SOURCES if len(path.relative_to(FOLDER).parts) == 2 and not path.name.startswith("_")]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def infer_model(path):
    (found,) = [node for node in tree_of(path).body if isinstance(node, ast.ClassDef) and node.name == "InferModel"]
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


def test_there_are_engines():
    assert {path.stem for path in ENGINES if path.parent.name == "cpu"} == {"inductor", "onnxruntime", "openvino"}


@pytest.mark.parametrize("path", ENGINES, ids=name_of)
def test_an_engine_is_a_class_infer_model_with_the_contracts_signatures(path):
    methods = infer_model(path)
    assert [argument.arg for argument in methods["__init__"].args.args] == ["self", "config", "onnx_path", "model"]
    assert len(methods["__call__"].args.args) == 2


@pytest.mark.parametrize("path", ENGINES, ids=name_of)
def test_an_engine_says_what_really_ran(path):
    assert "describe" in infer_model(path)
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_an_engine_reads_no_clock_and_knows_no_case_no_host_and_no_other_vendor(path):
    vendor = path.relative_to(FOLDER).parts[0]
    for node in ast.walk(tree_of(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in ("time", "timeit", "benchmarks", "utils")
            assert not name.startswith("inference_engine.") or name.startswith("inference_engine." + vendor)


@pytest.mark.parametrize("path", ENGINES, ids=name_of)
def test_an_engine_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 120
