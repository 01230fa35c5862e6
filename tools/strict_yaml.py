"""YAML read so that no text can do worse than be refused: what is wrong has its place, and what is read is small and plain."""

from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

import yaml

MOST_NODES = 100_000
"""That a text may stand for when its aliases are followed; nine lines of them could mean a billion."""

DEEPEST = 50
MOST_BITS = 64
"""Of a whole number: nothing that is counted here needs more, and Python neither prints the longest nor makes floats of them."""

_NO_KEYS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary")
"""What JSON, in which results are kept, has no key for."""

_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_REFUSED = (ValueError, KeyError, AttributeError, TypeError, OverflowError)
"""What PyYAML's constructors raise for `!!int x`, `!!bool x`, `!!timestamp x`, and for a 30th of February."""


class BadYaml(Exception):
    """What is wrong with a text, and where: `place` is `line` or `line:column`, empty where no place is to blame."""

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(problem)
        self.place = place


def read(text: str) -> Tuple[Optional[yaml.Node], Any]:
    """The tree of a text, which has all lines, and the value that it means; (None, None) where it is empty. Raises BadYaml."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        _weigh(node, {}, 0)
        return node, loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        before = text[: error.position].split("\n")
        place = "{}:{}".format(len(before), len(before[-1]) + 1)
        raise BadYaml("YAML syntax: the character {} cannot be used".format(ascii(text[error.position])), place) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadYaml("YAML syntax: {}".format(getattr(error, "problem", error)), _place(mark) if mark else "") from error
    except RecursionError as error:
        raise BadYaml("YAML syntax: nested too deeply") from error


def _place(mark: yaml.Mark) -> str:
    return "{}:{}".format(mark.line + 1, mark.column + 1)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, whose complaints all have their place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node. Raises yaml.YAMLError."""
        try:
            value = super().construct_object(node, deep=deep)
        except _REFUSED as error:
            raise _refusal(node, "is no {}".format(node.tag.rpartition(":")[2])) from error
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise _refusal(node, "is too large a number")
        if isinstance(value, str) and _UNUSABLE.search(value):
            raise _refusal(node, "has a character that cannot be used in it")
        return value


def _refusal(node: yaml.Node, problem: str) -> yaml.YAMLError:
    text = node.value if isinstance(node, yaml.ScalarNode) else "what begins here"
    shown = ascii(text if len(text) <= 40 else text[:40] + "...")
    return yaml.constructor.ConstructorError(None, None, "{} {}".format(shown, problem), node.start_mark)


def _weigh(node: yaml.Node, known: Dict[int, Optional[int]], depth: int) -> int:
    """How many nodes this one stands for, each alias counted as what it names; keys that cannot be meant are refused on the way.

    `known` has the weights of those that were looked at, None for those that are being looked at. Raises BadYaml.
    """
    weight = known.get(id(node), 0)
    if weight is None:
        raise BadYaml("YAML syntax: an alias within what it names", _place(node.start_mark))
    if weight:
        return weight
    if depth > DEEPEST:
        raise BadYaml("YAML syntax: nested too deeply", _place(node.start_mark))
    known[id(node)] = None
    inside = list(node.value) if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        inside = [part for pair in node.value for part in pair]
    weight = 1 + sum(_weigh(each, known, depth + 1) for each in inside)
    if weight > MOST_NODES:
        raise BadYaml("YAML syntax: its aliases stand for more than {:,} values".format(MOST_NODES), _place(node.start_mark))
    known[id(node)] = weight
    return weight


def _check_keys(node: yaml.MappingNode) -> None:
    """YAML would silently keep the last of two equal keys, and Python cannot have a list or a mapping as one."""
    first: Dict[Tuple[str, str], yaml.Mark] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag in _NO_KEYS:
            remedy = "text that begins with {, as {{ this }} does, is to be in quotes"
            raise BadYaml("YAML syntax: a key must be a word or a number; " + remedy, _place(key.start_mark))
        before = first.setdefault((key.tag, key.value), key.start_mark)
        if before is not key.start_mark:
            again = "key '{}' stands here again; first in line {}".format(key.value, before.line + 1)
            raise BadYaml(again, str(key.start_mark.line + 1))
