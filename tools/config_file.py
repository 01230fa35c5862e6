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
from tools.strict_yaml import BadYaml, read


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

    Raises ConfigError for whatever else it is, with the line.
    """
    name = name or str(path)
    try:
        node, values = read(path.read_text(encoding="utf-8"))
    except BadYaml as error:
        raise ConfigError("{}: {}".format(":".join(filter(None, (name, error.place))), error)) from error
    except FileNotFoundError as error:
        raise ConfigError("{}: no such file".format(name)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("{}: cannot be read: {}".format(name, error)) from error
    if node is None:
        return ConfigFile(name, {}, {})
    if not isinstance(values, dict):
        raise ConfigError("{}: expected 'key: value' lines".format(name))
    lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
    for key, _ in node.value:
        if not key.tag.endswith(":str"):
            where = "{}:{}".format(name, lines[key.value])
            raise ConfigError("{}: {} cannot be a key, as it is no text; put it in quotes".format(where, key.value))
    return ConfigFile(name, values, lines, dict(_inner_lines(node, ())))


def load_value(text: str) -> Any:
    """The value that a text means, as in the files. Raises ConfigError."""
    try:
        return read(text)[1]
    except BadYaml as error:
        raise ConfigError(str(error).replace("YAML syntax: ", "")) from error


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
