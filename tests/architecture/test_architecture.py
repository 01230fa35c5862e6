"""The wall, the layers and the house style, read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED_WITH_HOST = {"tools.contract", "tools.errors", "tools.config_manager", "tools.streams", "tools.user"}
HOST_SCRIPTS = {
    "utils/sys_monitor.py",
    *(f"utils/monitoring/{name}.py" for name in ("base", "daemon", "procfs", "readings")),
    *(f"utils/runtime/{name}.py" for name in ("in_place", "keeper", "follower")),
    "utils/connection/watchdog.py",
}
"""Run by a host's or an image's own python3."""
TOP_LEVEL = {"run.py", "run_inference.py"}
TOP_FOLDERS = {"benchmarks", "configs", "docker_images", "docs", "inference_engine", "onnxs", "result", "tests", "tools", "utils"}
ENGINES = {"torch", "onnx", "onnxruntime", "openvino", "tensorrt", "transformers"}


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def sources(*folders):
    return [name for name in tracked() if name.endswith(".py") and name.split("/")[0] in folders]


def imported(name):
    """The modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def begins(modules, *packages):
    return {module for module in modules if module.split(".")[0] in packages}


@pytest.mark.parametrize("name", sources("utils") + ["run.py"])
def test_the_host_imports_what_both_sides_share_of_the_guest_and_no_framework(name):
    modules = imported(name)
    of_guest = {
        module for module in begins(modules, "tools") if not any(f"{module}.".startswith(f"{one}.") for one in SHARED_WITH_HOST)
    }
    assert not of_guest
    assert not begins(modules, "benchmarks", "inference_engine", *ENGINES)


@pytest.mark.parametrize("name", sources("tools") + ["run_inference.py"])
def test_the_guest_knows_nothing_of_the_host(name):
    assert not begins(imported(name), "utils", "pydantic", "paramiko", "docker", "rich")


@pytest.mark.parametrize("name", sources("benchmarks"))
def test_a_case_imports_no_engine_and_no_clock(name):
    assert not begins(imported(name), "inference_engine", "utils", "time", "timeit", "datetime")


@pytest.mark.parametrize("name", sources("inference_engine"))
def test_an_engine_imports_no_case_and_no_clock(name):
    assert not begins(imported(name), "benchmarks", "utils", "time", "timeit", "datetime")


@pytest.mark.parametrize("name", sorted(SHARED_WITH_HOST))
def test_what_both_sides_share_needs_only_the_standard_library_and_yaml(name):
    asked = f"import {name}, sys; print('\\n'.join(m for m in sys.modules if m in {sorted(ENGINES | {'numpy', 'loguru'})!r}))"
    assert (
        subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == ""
    )


@pytest.mark.parametrize(
    "name", [*sources("tools", "benchmarks", "inference_engine", "docker_images"), "run_inference.py", *sorted(HOST_SCRIPTS)]
)
def test_guest_code_is_python_3_8(name):
    ast.parse((ROOT / name).read_text(), feature_version=(3, 8))


def test_there_are_no_import_cycles():
    graph = {name[:-3].replace("/", ".").removesuffix(".__init__"): name for name in sources("utils", "tools")}
    edges = {module: (at_import(name) & graph.keys()) - {module} for module, name in graph.items()}
    done = set()
    while ready := {module for module in edges.keys() - done if edges[module] <= done}:
        done |= ready
    assert edges.keys() == done, {module: edges[module] - done for module in edges.keys() - done}


def at_import(name):
    """Modules imported when a file is: not inside functions, not for type checking only."""
    tree = ast.parse((ROOT / name).read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_top_level_is_as_designed():
    top = {name.split("/")[0] for name in tracked()}
    folders = {name for name in top if (ROOT / name).is_dir() and not name.startswith(".")}
    assert folders == TOP_FOLDERS
    assert {name for name in top if name.endswith(".py")} == TOP_LEVEL


@pytest.mark.parametrize("name", [name for name in tracked() if name.endswith(".py")])
def test_no_file_is_over_300_lines_and_none_uses_a_shell(name):
    text = (ROOT / name).read_text()
    assert len(text.splitlines()) <= 300
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert not [call for call in calls for key in call.keywords if key.arg == "shell"]


def opens_text(call):
    """Whether it opens a file as text."""
    called = call.func
    owner = called.value if isinstance(called, ast.Attribute) else None
    name = called.attr if owner else getattr(called, "id", "")
    if name in ("read_text", "write_text"):
        return owner is not None
    if name not in ("open", "fdopen") or (name == "open" and getattr(owner, "id", "") in ("os", "tarfile", "Image")):
        return False
    place = 0 if name == "open" and owner else 1
    modes = [*call.args[place : place + 1], *(key.value for key in call.keywords if key.arg == "mode")]
    return not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)


@pytest.mark.parametrize("name", [name for name in tracked() if name.endswith(".py") and not name.startswith("tests/")])
def test_a_text_file_s_encoding_is_given_and_not_the_locale_s(name):
    calls = [node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if opens_text(call) and "encoding" not in {key.arg for key in call.keywords}]


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join)
def test_the_tools_are_content(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_is_quick_since_it_imports_nothing_heavy():
    asked = (
        "import sys; sys.argv = ['run.py', '--help']; import utils.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
    )
    heavy = "{'torch', 'pydantic', 'paramiko', 'docker', 'rich', 'plotly', 'numpy', 'yaml'}"
    done = subprocess.run(
        [sys.executable, "-c", asked + f"print('HEAVY', sorted({heavy} & set(sys.modules)))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "HEAVY []" in done.stdout
