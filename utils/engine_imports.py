"""Which packages an engine needs, read from the text of its file: nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.errors import ConfigError

OPTIONAL = {"ImportError", "ModuleNotFoundError", "Exception"}
ENGINES = "inference_engine"


def engine_imports(checkout: Path, vendor: str, compiler: str) -> list[str]:
    """Return the top-level modules that `inference_engine/<vendor>/<compiler>.py` cannot do without, in alphabetical order.

    Those of the vendor's other files that it imports are among them, the project's own and those that it tries are not; the
    standard library's are. Raises ConfigError for a file that is not Python.
    """
    modules = _imports(checkout, f"{ENGINES}.{vendor}.{compiler}", set())
    return sorted(name for name in {module.split(".")[0] for module in modules} if not _file(checkout, name))


def _imports(checkout: Path, module: str, seen: set[str]) -> set[str]:
    """The modules that one of ours imports, and those of the engines' among them import."""
    file = _file(checkout, module)
    if file is None or not file.is_file() or module in seen:
        return set()
    seen.add(module)
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{file.relative_to(checkout)} is not Python: {error}") from error
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = set(_needed(tree.body, package))
    ours = [name for name in found if name.startswith(f"{ENGINES}.")]
    return found.union(*(_imports(checkout, name, seen) for name in ours))


def _needed(nodes: Sequence[ast.AST], package: str) -> Iterator[str]:
    """The modules that some code imports, but for what it only tries, or needs for its types."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Try) and any(_catches_import_error(handler) for handler in node.handlers):
            yield from _needed(node.finalbody, package)
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _needed(list(ast.iter_child_nodes(node)), package)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*parents, *([node.module] if node.module else [])])


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    return bool(OPTIONAL & set(caught.strip("()").replace(",", " ").split()))


def _file(checkout: Path, module: str) -> Path | None:
    """The file of one of the project's own modules or packages; None for anything else."""
    path = checkout.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py", path)
    return next((one for one in candidates if one.exists()), None)
