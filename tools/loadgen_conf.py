"""Lines of user.conf and mlperf.conf that set nothing: loadgen drops them without a word."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from tools.config_file import nearest
from tools.errors import ConfigError

KEYS = (
    "target_qps", "target_latency", "target_latency_percentile", "samples_per_query", "coalesce_queries", "max_async_queries",
    "min_duration", "max_duration", "min_query_count", "max_query_count", "performance_issue_unique", "performance_issue_same",
    "performance_issue_same_index", "performance_sample_count_override", "sample_concatenate_permutation",
)  # fmt: skip
"""What most files set: the words to choose the nearest from. Whether a key is one, loadgen itself says."""

TOKEN_KEYS = ("use_token_latencies", "infer_token_latencies")
"""What mlperf.conf asks for language models, and whole queries cannot answer: loadgen would end the process (6.0.17)."""

_LINE = re.compile(r"([^.\s]+)\.([^.\s]+)\.(\S+)\s+=\s+(\S+)")
BUILT_IN, CONF_FILE = 0, 2
"""FromConfig's conf_type: loadgen's own copy of mlperf.conf, whatever the path; only the file. The default, 1, reads its own copy
too, but only the first time in a process (6.0.17)."""


class _Line(NamedTuple):
    """`where` is `file:line`."""

    where: str
    model: str
    scenario: str
    key: str
    value: str


def idle_lines(lg: Any, path: Path, name: str, case: str, shared: bool) -> Tuple[str, ...]:
    """What to say of lines that are right, but not for this case: those of other models, where the file is not `shared` by all.

    `name` is how messages call the file. Raises ConfigError for a line that can set nothing for anyone: not of the form, of no
    scenario, without a number, with an unknown key; of a `shared` file, which may be of another version, that last is only said.
    """
    scenarios = [each for each in dir(lg.TestScenario) if each[0].isupper()]
    known: Dict[Tuple[str, str], bool] = {}
    notes: List[str] = []
    others: Dict[str, str] = {}
    for line in _lines(path, name):
        if line.scenario not in ("*", *scenarios):
            hint = nearest(line.scenario, scenarios)
            raise ConfigError("{}: '{}' is no scenario{} (* is all of them)".format(line.where, line.scenario, hint))
        asked = scenarios if line.scenario == "*" else [line.scenario]
        if (line.scenario, line.key) not in known:
            known[line.scenario, line.key] = any(_sets(lg, each, line.key, "1", line.where) for each in asked)
        _sets(lg, asked[0], line.key, line.value, line.where)
        if not known[line.scenario, line.key]:
            complaint = _unknown(line)
            if not shared:
                raise ConfigError(complaint)
            notes.append(complaint)
        elif line.key in TOKEN_KEYS and not shared:
            notes.append("{}: '{}' is left out, as what is answered are whole queries".format(line.where, line.key))
        if line.model not in ("*", case):
            others.setdefault(line.model, line.where)
    if not shared:
        text = "{}: what is said of model '{}' does not hold for case {}{}"
        notes += [text.format(where, model, case, nearest(model, [case])) for model, where in others.items()]
    return tuple(notes)


def _lines(path: Path, name: str) -> Iterator[_Line]:
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = text.strip()
        if not words or words.startswith("#"):
            continue
        found = _LINE.fullmatch(words)
        where = "{}:{}".format(name, number)
        if found is None:
            form = "loadgen wants 'model.scenario.key = number', with blanks around the '=' and nothing behind the number"
            raise ConfigError("{}: {}".format(where, form))
        yield _Line(where, *found.groups())


def _unknown(line: _Line) -> str:
    if line.key == "mode":
        return "{}: 'mode' is not for this file to set; see 'loadgen' in docs/adding-a-case.md".format(line.where)
    of = "any scenario" if line.scenario == "*" else line.scenario
    return "{}: '{}' sets nothing for {}{}".format(line.where, line.key, of, nearest(line.key, KEYS))


def _sets(lg: Any, scenario: str, key: str, value: str, where: str) -> bool:
    """Whether loadgen takes anything from the line. Raises ConfigError."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as stream:
        stream.write("*.{}.{} = {}\n".format(scenario, key, value))
        stream.flush()
        return bool(values_set(lg, stream.name, "any", scenario, CONF_FILE, "{}: loadgen wants a number here".format(where)))


def values_set(lg: Any, path: str, model: str, scenario: str, kind: int, refusal: str) -> Dict[str, Any]:
    """What a file sets for a model and a scenario, by loadgen's attributes: read over two sets of values, as loadgen does
    not tell. `kind` is FromConfig's conf_type. Raises ConfigError, which says `refusal`, for a file that loadgen refuses."""
    found: Dict[str, Any] = {}
    for differs in (False, True):
        test = lg.TestSettings()
        if differs:
            for name, value in settings_values(test).items():
                setattr(test, name, _another(value))
        before = settings_values(test)
        if test.FromConfig(path, model, scenario, kind) != 0:
            raise ConfigError(refusal)
        found.update({name: value for name, value in settings_values(test).items() if value != before[name]})
    return found


def _another(value: Any) -> Any:
    """A value that differs."""
    return not value if isinstance(value, bool) else value + 1


def settings_values(test: Any) -> Dict[str, Any]:
    """The settings by their attributes; scenario and mode are not for the config to set."""
    names = (name for name in dir(test) if not name.startswith("_") and name not in ("scenario", "mode"))
    return {name: getattr(test, name) for name in names if not callable(getattr(test, name))}
