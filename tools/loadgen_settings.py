"""The settings of a loadgen test: ours, by what the engine was seen to do; MLPerf's files; the config's. Later ones win."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

from tools.config_file import nearest
from tools.errors import ConfigError
from tools.statistics import samples_needed

PREFIXES = {"SingleStream": "single_stream_", "MultiStream": "multi_stream_", "Server": "server_", "Offline": "offline_"}
"""What loadgen's attributes begin with; in the config it may be left out."""

_ALSO = {"Offline": {"target_qps": "offline_expected_qps"}}
"""What user.conf calls otherwise than the attribute."""

PERFORMANCE, ACCURACY, FIND_PEAK = "PerformanceOnly", "AccuracyOnly", "FindPeakPerformance"

_BUILT_IN, _FILE = 0, 2
"""FromConfig's conf_type: loadgen's own copy of mlperf.conf, whatever the path; only the file. The default, 1, reads its own copy
too, but only the first time in a process (6.0.17)."""

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


class Wishes:
    """What config and files ask of one scenario, checked. Raises ConfigError for names, values and files that cannot be."""

    def __init__(self, lg: Any, scenario: str, config: Any) -> None:
        self._lg, self.scenario, self._config = lg, scenario, config
        known = _values(lg.TestSettings())
        asked = dict(config.loadgen.get(scenario, {}))
        self.mode = _mode(scenario, asked.pop("mode", PERFORMANCE))
        self._asked = {_attribute(scenario, name, known): value for name, value in asked.items()}
        self.alone = self._applied(lg.TestSettings(), {}).test

    def settled(self, pace: Pace, workers: int) -> Settings:
        """The settings of the performance test, ours below what is asked for."""
        origins: Dict[str, str] = {}
        test = self._lg.TestSettings()
        for name, (value, origin) in _ours(self.scenario, self.mode, pace, workers).items():
            setattr(test, name, value)
            origins[name] = origin
        settings = self._applied(test, origins)
        if self.scenario == "Server" and not test.server_max_async_queries:
            fastest = workers / pace.median if self.mode == FIND_PEAK else 0.0
            test.server_max_async_queries = _most_outstanding(test, fastest)
            origins["server_max_async_queries"] = "so many outstanding queries are over the target latency for sure"
        return settings

    def _applied(self, test: Any, origins: Dict[str, str]) -> Settings:
        """Lay files and config over `test`, and note in `origins` what they changed."""
        test.scenario = getattr(self._lg.TestScenario, self.scenario)
        config = self._config
        if config.user_conf and not config.mlperf_conf:
            self._layer(test, origins, "loadgen's own mlperf.conf", partial(self._read, test, "user_conf", _BUILT_IN))
        for key in ("mlperf_conf", "user_conf"):
            if getattr(config, key):
                self._layer(test, origins, getattr(config, key), partial(self._read, test, key, _FILE))
        self._layer(test, origins, "loadgen: " + self.scenario, partial(self._set, test))
        origins.update(dict.fromkeys(self._asked, "loadgen: " + self.scenario))
        test.mode = getattr(self._lg.TestMode, self.mode)
        return Settings(test, origins)

    def _layer(self, test: Any, origins: Dict[str, str], origin: str, apply: Callable[[], None]) -> None:
        before = _values(test)
        apply()
        origins.update({name: origin for name, value in _values(test).items() if value != before[name]})

    def _read(self, test: Any, key: str, kind: int) -> None:
        path = Path(self._config.perf_dir) / getattr(self._config, key)
        if not path.is_file():
            raise ConfigError("{}: {}: no such file".format(key, path))
        if test.FromConfig(str(path), self._config.case, self.scenario, kind) != 0:
            raise ConfigError("{}: {}: loadgen wants lines 'model.scenario.key = number'".format(key, path))

    def _set(self, test: Any) -> None:
        for name, value in self._asked.items():
            try:
                setattr(test, name, value)
            except TypeError as error:
                kind = type(getattr(test, name)).__name__
                text = "loadgen: {}: '{}' is {!r}, but loadgen takes {}"
                raise ConfigError(text.format(self.scenario, name, value, kind)) from error


def _values(test: Any) -> Dict[str, Any]:
    """The settings by their attributes; scenario and mode are not for the config to set."""
    names = (name for name in dir(test) if not name.startswith("_") and name not in ("scenario", "mode"))
    return {name: getattr(test, name) for name in names if not callable(getattr(test, name))}


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
