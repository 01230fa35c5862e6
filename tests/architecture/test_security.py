"""No code that runs data: no eval, no pickle, no unsafe YAML; and the files that a stranger wrote are opened with care."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "jsonpickle"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "input"),
    *("os.system", "os.popen", "os.execl", "os.spawnl", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "yaml.full_load_all"),
    *("torch.hub.load", "tempfile.mktemp", "pd.read_pickle", "pandas.read_pickle"),
}
NEEDED = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}
"""A call and the argument without which it would run what a file says."""


def sources():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.splitlines() if not name.startswith("tests/") and (ROOT / name).is_file()]


def faults(text):
    """What in a source would run data, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"{node.lineno}: import {module}" for module in modules if module.split(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {key.arg: getattr(key.value, "value", None) for key in node.keywords}
            found += [f"{node.lineno}: {name}"] if name in FORBIDDEN_CALLS else []
            found += [f"{node.lineno}: {name} without {NEEDED[name]}"] if name in NEEDED and not is_given(given, name) else []
            found += [f"{node.lineno}: {name} with a shell"] if "shell" in given else []
            found += [f"{node.lineno}: {name}"] if name.endswith(("autoescape=False", ".extractall")) else []
    return found


def is_given(given, name):
    key, value = NEEDED[name]
    return given.get(key) is value


@pytest.mark.parametrize("name", sources())
def test_no_source_runs_data(name):
    assert faults((ROOT / name).read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "import pickle",
        "from joblib import load",
        "yaml.load(text, Loader=yaml.Loader)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run('ls', shell=True)",
        "os.system('ls')",
        "archive.extractall('.')",
    ],
)
def test_the_scan_finds_what_it_looks_for(text):
    assert faults(text) != []


@pytest.mark.parametrize("text", ["torch.load(path, weights_only=True)", "np.load(path, allow_pickle=False)", "model.eval()"])
def test_the_scan_passes_what_is_safe(text):
    assert faults(text) == []


def test_every_weights_file_in_the_repository_is_safetensors():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    unsafe = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib", ".npy")
    assert [name for name in listed if name.endswith(unsafe)] == []
