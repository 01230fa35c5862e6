"""Reading one YAML file so that every later complaint can name the file, the line and the key."""

from __future__ import annotations

import ast
import difflib
import operator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import yaml

from tools.errors import ConfigError


@dataclass(frozen=True)
class ConfigFile:
    """A YAML file's top mapping. `name` is how messages call the file, `lines` the line each top-level key stands in, `inner`
    that of each key below one, by the path to it."""

    name: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    inner: Mapping[Tuple[str, ...], int] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """`file:line` of a key, the file alone when the key is not in it."""
        return "{}:{}".format(self.name, self.lines[key]) if key in self.lines else self.name


def load_yaml(path: Path, name: Optional[str] = None) -> ConfigFile:
    """Read a YAML file safely; an empty one is an empty mapping.

    Raises ConfigError: unreadable, bad syntax, not a mapping, a key twice.
    """
    name = name or str(path)
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            return ConfigFile(name, {}, {})
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError("{}: expected 'key: value' lines".format(name))
        _reject_twice(node, name)
        lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
        inner = dict(_inner_lines(node, ()))
        return ConfigFile(name, {str(key): value for key, value in loader.construct_document(node).items()}, lines, inner)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "{}:{}:{}".format(name, mark.line + 1, mark.column + 1) if mark else name
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise ConfigError("{}: YAML syntax: {}".format(where, problem)) from error
    except RecursionError as error:
        raise ConfigError("{}: YAML syntax: nested too deeply, or an alias within what it names".format(name)) from error
    except FileNotFoundError as error:
        raise ConfigError("{}: no such file".format(name)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("{}: cannot be read: {}".format(name, error)) from error


def _reject_twice(node: yaml.Node, name: str) -> None:
    """YAML would silently keep the last of two equal keys."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: Dict[Any, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise ConfigError(
                "{}:{}: key '{}' stands here again; first in line {}".format(name, line, key.value, seen[key.value])
            )
        seen[key.value] = line
        _reject_twice(value, name)


def _inner_lines(node: yaml.Node, path: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], int]]:
    """Each key below a top-level one, by the path to it, with its line."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*path, str(key.value))
        if path:
            yield here, key.start_mark.line + 1
        yield from _inner_lines(value, here)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?` for the known word most like `word`, else an empty string."""
    names = list(known)
    by_lower = {name.lower(): name for name in names}
    found: List[str] = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.7)
    return "; did you mean '{}'?".format(by_lower[found[0]]) if found else ""


_OPERATORS: Dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def parse_number(value: Any) -> float:
    """A number, or an arithmetic string such as `2*512*0.33e9`, parsed and never eval'ed. Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise ValueError("not a number")
    try:
        return _evaluate(ast.parse(value.strip(), mode="eval").body)
    except (SyntaxError, OverflowError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise ValueError("not a number or an arithmetic expression") from error


def _evaluate(node: ast.AST) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return -_evaluate(node.operand) if isinstance(node.op, ast.USub) else _evaluate(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        result = _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
        if isinstance(result, complex):
            raise ValueError("not a real number")
        return result
    raise ValueError("not a number or an arithmetic expression")
