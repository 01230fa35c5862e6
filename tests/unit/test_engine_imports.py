"""What an engine imports is known without importing it."""

from pathlib import Path

import pytest

from tools.errors import ConfigError
from utils.engine_imports import engine_imports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def imports(tmp_path):
    """What `inference_engine/acme/fast.py` with this text needs, in a project with some files of its own."""
    for name in ("tools/__init__.py", "inference_engine/__init__.py", "inference_engine/acme/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "inference_engine/acme/shared.py").write_text("import acme_runtime.core\nfrom . import fast\n")

    def of(text):
        (tmp_path / "inference_engine/acme/fast.py").write_text(text)
        return engine_imports(tmp_path, "acme", "fast")

    return of


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        (
            "import no_such_a.b, no_such_c as d\nfrom no_such_e.f import g\nraise SystemExit",
            ["no_such_a", "no_such_c", "no_such_e"],
        ),
        ("class InferModel:\n    def __init__(self):\n        import late", ["late"]),
        ("if True:\n    import here\nelse:\n    import there", ["here", "there"]),
        ("from tools.errors import ConfigError\nimport tools", []),
        ("from inference_engine.acme.shared import x", ["acme_runtime"]),
        ("from inference_engine.acme import shared", ["acme_runtime"]),
        ("from . import shared", ["acme_runtime"]),
        ("from .shared import x\nfrom ..acme import shared", ["acme_runtime"]),
        ("try:\n    import faster\nexcept ImportError:\n    faster = None", []),
        ("try:\n    import faster\nexcept (OSError, ModuleNotFoundError):\n    import slower", []),
        ("try:\n    import needed\nexcept OSError:\n    raise", ["needed"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import types_only", ["typing"]),
    ],
)
def test_an_engine_needs_what_it_imports_and_is_not_ours(imports, text, modules):
    assert imports(text) == modules


def test_an_engine_that_is_not_python_is_refused(imports):
    with pytest.raises(ConfigError, match=r"inference_engine/acme/fast\.py is not Python"):
        imports("import (")


@pytest.mark.parametrize("compiler", ["onnxruntime", "openvino"])
def test_our_engines_need_their_packages(compiler):
    assert {compiler, "torch"} <= set(engine_imports(ROOT, "cpu", compiler))
