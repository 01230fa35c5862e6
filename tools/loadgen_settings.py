"""A loadgen test's settings: mlperf.conf's; ours, from what the engine did; user.conf's; the config's. Later ones win."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from tools.config_file import nearest
from tools.errors import ConfigError
from tools.loadgen import load_library
from tools.loadgen_conf import BUILT_IN, CONF_FILE, TOKEN_KEYS, idle_lines, settings_values, values_set
from tools.loadgen_ranges import complaint
from tools.statistics import samples_needed

PREFIXES = {"SingleStream": "single_stream_", "MultiStream": "multi_stream_", "Server": "server_", "Offline": "offline_"}
"""What loadgen's attributes begin with; in the config it may be left out."""

_ALSO = {"Offline": {"target_qps": "offline_expected_qps"}}
"""What user.conf calls otherwise than the attribute."""

PERFORMANCE, ACCURACY, FIND_PEAK = "PerformanceOnly", "AccuracyOnly", "FindPeakPerformance"

OWN_MLPERF_CONF = "loadgen's own mlperf.conf"

_MEASURED = ("server_target_qps", "offline_expected_qps", "single_stream_expected_latency_ns", "multi_stream_expected_latency_ns")
"""What mlperf.conf has only placeholders for, and the engine's own pace says."""

FIND_PEAK_MS = 2_000
MOST_SECONDS_FOR_VALIDITY = 30.0
LEAST_EXPECTED_NS = 20_000
LEAST_SERVICE_SECONDS = 100e-6
LEAST_TARGET_NS = 10_000_000
COARSE_SECONDS = 0.01


@dataclass(frozen=True)
class Pace:
    """How fast the engine was before the test: seconds per query of `samples` samples, of `queries` queries."""

    samples: int
    queries: int
    quickest: float
    median: float


@dataclass(frozen=True)
class Settings:
    """loadgen's TestSettings for one scenario, and each value that is not loadgen's own default with where it came from."""

    test: Any
    origins: Mapping[str, str]

    def as_report(self) -> Dict[str, Any]:
        """Each setting as `{"value": …, "origin": …}`; the length of the test always."""
        names = [*self.origins, *(name for name in ("min_duration_ms", "min_query_count") if name not in self.origins)]
        return {name: {"value": getattr(self.test, name), "origin": self.origins.get(name, "loadgen")} for name in names}


@dataclass(frozen=True)
class _Layer:
    """Values by attribute, all from one place. `where` is that place as complaints name it."""

    origin: str
    where: str
    values: Mapping[str, Any]


def check_settings(config: Any) -> Sequence[str]:
    """Refuse what could only fail, or hang, after all else was measured; imports nothing where no scenario is asked for.

    Returns what is to be said of lines of the files that set nothing. Raises ConfigError for a file that is not there and, should
    there be scenarios, for loadgen not installed, names it does not have, values that cannot be, and files it cannot read; of
    every scenario that `config.loadgen` names.
    """
    paths = {key: _path(config, key) for key in ("mlperf_conf", "user_conf")}
    asked = [name for name in config.scenarios if name in PREFIXES]
    if not asked:
        text = "{} sets nothing, as `scenarios` has none of loadgen's ({})"
        return [text.format(key, ", ".join(PREFIXES)) for key, path in paths.items() if path]
    lg = load_library()
    notes: List[str] = []
    for key, path in paths.items():
        if path:
            notes += idle_lines(lg, Path(path), getattr(config, key), config.case, shared=key == "mlperf_conf")
    for name in dict.fromkeys([*asked, *config.loadgen]):
        Wishes(lg, name, config)
    return notes


class Wishes:
    """What config and files ask of one scenario, checked. Raises ConfigError for names, values and files that cannot be."""

    def __init__(self, lg: Any, scenario: str, config: Any) -> None:
        self._lg, self.scenario, self._config = lg, scenario, config
        self._defaults = settings_values(lg.TestSettings())
        asked = dict(config.loadgen.get(scenario, {}))
        self.mode = _mode(scenario, asked.pop("mode", PERFORMANCE))
        self._built_in = self._read("", BUILT_IN, OWN_MLPERF_CONF)
        self._below = [self._built_in] if config.user_conf and not config.mlperf_conf else []
        self._below += self._from_file("mlperf_conf")
        self._above = [*self._from_file("user_conf"), self._from_config(asked)]
        self.alone = self._laid([*self._below, *self._above]).test

    def settled(self, pace: Pace, workers: int) -> Settings:
        """The settings of the performance test, ours above mlperf.conf and below all else that is asked for."""
        ours = [_Layer(origin, "", {name: value}) for name, (value, origin) in self._ours(pace, workers).items()]
        settings = self._laid([*self._below, *ours, *self._above])
        test = settings.test
        if self.scenario != "Server" or test.server_max_async_queries:
            return settings
        fastest = workers / pace.median if self.mode == FIND_PEAK else 0.0
        test.server_max_async_queries = _most_outstanding(test, fastest)
        why = "so many outstanding queries are over the target latency for sure"
        return Settings(test, {**settings.origins, "server_max_async_queries": why})

    def _ours(self, pace: Pace, workers: int) -> Dict[str, Any]:
        """Those of ours that mlperf.conf has nothing for, or but a placeholder."""
        theirs = {name: value for layer in self._below for name, value in layer.values.items()}
        placeholders = {name: (self._defaults[name], self._built_in.values.get(name)) for name in _MEASURED}
        ours = _ours(self.scenario, self.mode, pace, workers)
        return {name: our for name, our in ours.items() if name not in theirs or theirs[name] in placeholders.get(name, ())}

    def _laid(self, layers: Sequence[_Layer]) -> Settings:
        """One layer over the other; the origins are of this scenario's settings."""
        test, origins = self._lg.TestSettings(), {}
        for layer in layers:
            for name, value in layer.values.items():
                setattr(test, name, value)
                origins[name] = layer.origin
        test.scenario, test.mode = getattr(self._lg.TestScenario, self.scenario), getattr(self._lg.TestMode, self.mode)
        others = tuple(prefix for name, prefix in PREFIXES.items() if name != self.scenario)
        return Settings(test, {name: origin for name, origin in origins.items() if not name.startswith(others)})

    def _from_file(self, key: str) -> Sequence[_Layer]:
        path = _path(self._config, key)
        return [self._read(path, CONF_FILE, getattr(self._config, key), "{}: {}".format(key, path))] if path else []

    def _read(self, path: str, kind: int, origin: str, where: str = "") -> _Layer:
        """What a file sets, but for whole queries."""
        refusal = "{}: loadgen wants lines 'model.scenario.key = number'".format(where)
        found = values_set(self._lg, path, self._config.case, self.scenario, kind, refusal)
        layer = _Layer(origin, where, {name: value for name, value in found.items() if name not in TOKEN_KEYS})
        return layer if kind == BUILT_IN else self._checked(layer)

    def _from_config(self, asked: Mapping[str, Any]) -> _Layer:
        """What the config sets, checked under the names that it has there."""
        values = {}
        for name, value in asked.items():
            attribute = _attribute(self.scenario, name, self._defaults)
            _check("loadgen: {}: '{}'".format(self.scenario, name), attribute, value, self._defaults[attribute])
            values[attribute] = value
        return _Layer("loadgen: " + self.scenario, "", values)

    def _checked(self, layer: _Layer) -> _Layer:
        for name, value in layer.values.items():
            _check("{}: {}".format(layer.where, name), name, value, self._defaults[name])
        return layer


def _check(where: str, attribute: str, value: Any, default: Any) -> None:
    must = complaint(attribute, value, default)
    if must:
        raise ConfigError("{} is {!r}, but must be {}".format(where, value, must))


def _path(config: Any, key: str) -> str:
    """Where the file of this key is; empty where none is named. Raises ConfigError when it is not there."""
    named = getattr(config, key)
    if not named:
        return ""
    path = Path(config.perf_dir) / named
    if not path.is_file():
        raise ConfigError("{}: {}: no such file".format(key, path))
    return str(path)


def _attribute(scenario: str, name: str, known: Mapping[str, Any]) -> str:
    """The attribute of loadgen's for a name in the config. Raises ConfigError for one that it does not have."""
    prefix = PREFIXES[scenario]
    for attribute in (str(name), prefix + str(name), _ALSO.get(scenario, {}).get(str(name), "")):
        if attribute in known:
            return attribute
    short = [each[len(prefix) :] if each.startswith(prefix) else each for each in known]
    raise ConfigError("loadgen: {}: unknown setting '{}'{}".format(scenario, name, nearest(str(name), short)))


def _mode(scenario: str, mode: Any) -> str:
    modes = (PERFORMANCE, FIND_PEAK) if scenario == "Server" else (PERFORMANCE,)
    if mode not in modes:
        raise ConfigError("loadgen: {}: 'mode' is {!r}, but must be {}".format(scenario, mode, " or ".join(modes)))
    return str(mode)


def _ours(scenario: str, mode: str, pace: Pace, workers: int) -> Dict[str, Any]:
    """Defaults in place of loadgen's, which know nothing of the engine: each with its origin."""
    seen = "the quickest of {} queries before".format(pace.queries)
    if scenario == "Offline":
        # loadgen sends 1.1 times the samples that this rate needs for the least duration
        rate = _rounded(1.15 * pace.samples / pace.quickest)
        return {"offline_expected_qps": (rate, "1.15 times " + seen), "min_query_count": (1, "the duration decides")}
    if scenario != "Server":
        expected = max(LEAST_EXPECTED_NS, int(pace.quickest * 1e9))
        needed = samples_needed(90.0 if scenario == "SingleStream" else 99.0)
        return {
            PREFIXES[scenario] + "expected_latency_ns": (expected, seen),
            "min_query_count": _count(needed, pace.median),
        }
    service = max(LEAST_SERVICE_SECONDS, pace.median)
    ours: Dict[str, Any] = {
        "server_target_qps": (_rounded(workers / service / 2), "half of what {:.3g} ms per query allow".format(service * 1e3)),
        "server_target_latency_ns": (
            max(LEAST_TARGET_NS, int(10 * pace.median * 1e9)),
            "10 times the median of {} queries before, 10 ms or more".format(pace.queries),
        ),
        "min_query_count": _count(samples_needed(99.0), 2 * service / workers),
    }
    if mode == FIND_PEAK:
        ours["min_duration_ms"] = (FIND_PEAK_MS, "each of some dozen trials")
        ours["server_find_peak_qps_decimals_of_precision"] = (0 if service < COARSE_SECONDS * workers else 1, "by the rate")
    return ours


def _count(needed: int, seconds: float) -> Any:
    """The queries that loadgen's early stopping needs, where they do not take too long; else the duration decides alone."""
    if needed * seconds <= MOST_SECONDS_FOR_VALIDITY:
        return needed, "what early stopping needs"
    return 1, "the duration decides, as the {} that early stopping needs would take {:.0f} s".format(needed, needed * seconds)


def _most_outstanding(test: Any, fastest: float) -> int:
    """How many unanswered queries prove a Server test invalid, so that loadgen may end it: more than the share that may be late
    are, as no more than twice the expected number has come within the target latency. `fastest` is a rate that trials may reach.
    """
    rate = max(test.server_target_qps, fastest) * (4 if fastest else 1)
    queries = max(rate * test.min_duration_ms / 1e3, test.min_query_count)
    may_be_late = (1 - test.server_target_latency_percentile) * queries
    return int(may_be_late + 2 * rate * test.server_target_latency_ns / 1e9) + 100


def _rounded(value: float) -> float:
    return float("{:.3g}".format(value))
