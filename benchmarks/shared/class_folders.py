"""Which class each folder of a data set of images stands for, and what is doubtful about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

from tools.errors import ConfigError

CLASS_LIST = "LOC_synset_mapping.txt"
"""ImageNet's own list: one line per class in the order of the model's outputs, the folder's name first."""

_SYNSET = re.compile(r"n[0-9]{8}")
_NUMBERED = (re.compile(r"(?!n[0-9])([^0-9]*)([0-9]{1,18})"), re.compile(r"()([0-9]{1,18})[^0-9].*"))
"""`7`, `class_007`; `7_shark`. What begins as a synset does is none, but a place in WordNet."""


@dataclass(frozen=True)
class Labels:
    """The class index of each folder; `doubt` is what a reader must know of them, empty where there is nothing."""

    indices: Dict[str, int]
    doubt: str = ""


def read_labels(folders: Sequence[str], class_list: Path, num_classes: int) -> Labels:
    """By the list where there is one; else by the numbers in the folders' names; else by their names' order.

    Raises ConfigError for more classes than the model has, and for folders that the list or their numbers do not tell apart.
    """
    if class_list.exists():
        return _by_list(folders, class_list, num_classes)
    if len(folders) > num_classes:
        raise _too_many(len(folders), num_classes)
    for form in _NUMBERED:
        matches = {name: match for name, match in ((name, form.fullmatch(name)) for name in folders) if match}
        if len(matches) == len(folders) and len({match[1] for match in matches.values()}) == 1:
            return _by_number({name: int(match[2]) for name, match in matches.items()}, num_classes)
    return _by_name(folders, num_classes)


def _by_list(folders: Sequence[str], class_list: Path, num_classes: int) -> Labels:
    lines = class_list.read_text(encoding="utf-8", errors="replace").splitlines()
    listed = [line.split()[0] for line in lines if line.strip()]
    if len(listed) > num_classes:
        raise _too_many(len(listed), num_classes)
    for name in folders:
        if listed.count(name) != 1:
            problem = "is not in the list" if name not in listed else "stands twice in the list"
            raise ConfigError("{}: the folder '{}' {}".format(class_list.name, name, problem))
    few = "{} has {} lines, which stand for the first of the model's {} classes".format(CLASS_LIST, len(listed), num_classes)
    return Labels({name: listed.index(name) for name in folders}, few if len(listed) < num_classes else "")


def _by_number(numbers: Dict[str, int], num_classes: int) -> Labels:
    """A number is the class's own where it can be; where one is too large, as in 1 to 1000, they are counted from 0."""
    names = sorted(numbers, key=lambda name: numbers[name])
    repeated = [name for before, name in zip(names, names[1:]) if numbers[before] == numbers[name]]
    if repeated:
        raise ConfigError("the folder '{}' has the number of another one; rename one of them".format(repeated[0]))
    if numbers[names[-1]] >= num_classes:
        text = "the folders '{}' to '{}' stand for the classes 0 to {}, in the order of their numbers"
        return Labels(_ranks(names), _unless_listed(text.format(names[0], names[-1], len(names) - 1)))
    text = "{} folders stand for the classes that their numbers say, of the model's {}".format(len(names), num_classes)
    return Labels(numbers, _unless_listed(text) if len(names) < num_classes else "")


def _by_name(folders: Sequence[str], num_classes: int) -> Labels:
    names = sorted(folders)
    if len(names) < num_classes:
        text = "{} folders stand for the model's first classes, in sorted order".format(len(names))
        return Labels(_ranks(names), _unless_listed(text))
    other = next((name for name in names if not _SYNSET.fullmatch(name)), None)
    text = "the folders stand for the classes in sorted order, but '{}' is no synset like n01440764".format(other)
    return Labels(_ranks(names), _unless_listed(text) if other is not None else "")


def _ranks(names: List[str]) -> Dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _unless_listed(text: str) -> str:
    return "{}; {} would say which they are".format(text, CLASS_LIST)


def _too_many(count: int, num_classes: int) -> ConfigError:
    return ConfigError("{} classes, but the model has {}".format(count, num_classes))
