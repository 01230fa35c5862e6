"""Every case folder keeps the contract, whoever wrote it."""

import ast
import importlib
from pathlib import Path

import pytest
import yaml

from tools.config_manager import resolve
from tools.plugins import CASE_FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
FRAMEWORKS = sorted(path.parent for path in BENCHMARKS.glob("*/*/__init__.py"))
CONFIGS = sorted(path.parent for path in (ROOT / "configs").glob("*/configurations.yaml"))
SOURCES = sorted(BENCHMARKS.rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_there_are_cases():
    assert {folder.parent.name for folder in FRAMEWORKS} >= {"digits", "resnet50"}


def test_every_case_has_configs_and_every_config_a_case():
    assert {folder.parent.name for folder in FRAMEWORKS} == {folder.name for folder in CONFIGS}


@pytest.mark.parametrize("folder", FRAMEWORKS, ids=name_of)
def test_a_case_exports_the_six_names_and_a_docstring(folder):
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    names = {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    names |= {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert set(CASE_FUNCTIONS) <= names
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("folder", FRAMEWORKS, ids=name_of)
def test_a_case_can_be_imported(folder):
    pytest.importorskip("torch")
    module = importlib.import_module(".".join(folder.relative_to(ROOT).parts))
    assert all(callable(getattr(module, name)) for name in CASE_FUNCTIONS)


@pytest.mark.parametrize("folder", FRAMEWORKS, ids=name_of)
def test_a_case_has_a_readme_with_results_and_its_requirements(folder):
    assert "## Results" in (folder.parent / "README.md").read_text(encoding="utf-8")
    assert (folder / "requirements.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_case_reads_no_clock_and_knows_no_engine_no_host_and_no_other_case(path):
    case = path.relative_to(BENCHMARKS).parts[0]
    own = ("benchmarks.{}".format(case), "benchmarks.shared")
    for name in imports(path):
        assert name.split(".")[0] not in ("time", "timeit", "inference_engine", "utils")
        assert not name.startswith("benchmarks.") or name.startswith(own)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_cases_code_is_python_3_8(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("folder", CONFIGS, ids=name_of)
def test_no_key_stands_in_two_files(folder):
    base, parameters = (yaml.safe_load((folder / name).read_text()) or {} for name in ("configurations.yaml", "parameters.yaml"))
    assert not set(base) & set(parameters)


@pytest.mark.parametrize("folder", CONFIGS, ids=name_of)
def test_every_vendors_config_resolves(folder):
    vendors = [path.name[: -len("_configurations.yaml")] for path in folder.glob("vendor_config/*_configurations.yaml")]
    for vendor in [*vendors, "none_of_these"]:
        config = resolve(ROOT, folder.name, vendor).config()
        assert config.flops or config.input_size
