"""The settings of a loadgen test: which layer wins, what cannot be, and ours."""

import math
import sys
from types import SimpleNamespace

import pytest

lg = pytest.importorskip("mlperf_loadgen")

from tools.errors import ConfigError  # noqa: E402
from tools.loadgen_settings import Pace, Wishes, check_settings  # noqa: E402

PACE = Pace(samples=1, queries=100, quickest=0.002, median=0.003)


def wishes(scenario, tmp_path=None, mlperf_conf=None, user_conf=None, /, **loadgen):
    config = SimpleNamespace(
        case="resnet50", perf_dir=str(tmp_path), mlperf_conf=mlperf_conf, user_conf=user_conf, loadgen={scenario: loadgen}
    )
    return Wishes(lg, scenario, config)


def settled(scenario, *args, pace=PACE, workers=1, **options):
    settings = wishes(scenario, *args, **options).settled(pace, workers)
    return {name: each["value"] for name, each in settings.as_report().items()}, settings


def test_names_may_leave_the_scenarios_prefix_out():
    values, settings = settled("Server", target_qps=12.5, server_target_latency_ns=7)
    assert (values["server_target_qps"], values["server_target_latency_ns"]) == (12.5, 7)
    assert settings.origins["server_target_qps"] == "loadgen: Server"
    assert settled("Offline", target_qps=9)[0]["offline_expected_qps"] == 9


def test_an_unknown_name_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match=r"loadgen: Server: unknown setting 'target_qsp'; did you mean 'target_qps'\?"):
        wishes("Server", target_qsp=1)


@pytest.mark.parametrize(("name", "value"), [("min_duration_ms", "long"), ("FromConfig", 1), ("mode", "Fast")])
def test_what_loadgen_cannot_take_is_an_error(name, value):
    with pytest.raises(ConfigError, match=name):
        wishes("Server", **{name: value})


def test_the_scenario_is_not_a_setting():
    with pytest.raises(ConfigError, match="unknown setting 'scenario'"):
        wishes("Server", scenario=1)


def test_find_peak_performance_is_for_server():
    assert wishes("Server", mode="FindPeakPerformance").settled(PACE, 1).test.mode == lg.TestMode.FindPeakPerformance
    with pytest.raises(ConfigError, match="SingleStream: 'mode'"):
        wishes("SingleStream", mode="FindPeakPerformance")


def test_later_layers_win(tmp_path):
    (tmp_path / "mlperf.conf").write_text(
        "resnet50.*.min_duration = 1000\n*.Server.target_qps = 5\n*.Server.target_latency = 9\n"
    )
    (tmp_path / "user.conf").write_text("*.Server.target_qps = 6\n*.*.min_query_count = 70\n")
    values, settings = settled("Server", tmp_path, "mlperf.conf", "user.conf", min_query_count=80)
    assert values["min_duration_ms"] == 1000
    assert values["server_target_latency_ns"] == 9_000_000
    assert (values["server_target_qps"], settings.origins["server_target_qps"]) == (6, "user.conf")
    assert values["min_query_count"] == 80


def test_a_user_conf_alone_lies_over_loadgens_own_mlperf_conf_each_time(tmp_path):
    (tmp_path / "user.conf").write_text("*.Server.target_qps = 6\n")
    for _ in range(2):  # loadgen itself reads its own only the first time in a process
        values, settings = settled("Server", tmp_path, None, "user.conf")
        assert (values["min_duration_ms"], values["server_target_qps"]) == (600_000, 6)
        assert settings.origins["min_duration_ms"] == "loadgen's own mlperf.conf"


def test_a_conf_that_is_not_there_or_not_one_is_an_error(tmp_path):
    (tmp_path / "bad.conf").write_text("*.Server.target_qps = fast\n")
    with pytest.raises(ConfigError, match="none.conf: no such file"):
        wishes("Server", tmp_path, "none.conf")
    with pytest.raises(ConfigError, match="bad.conf: loadgen wants lines"):
        wishes("Server", tmp_path, None, "bad.conf")


PLACEHOLDERS = "*.Offline.target_qps = 1.0\n*.SingleStream.target_latency = 10\n*.Server.target_qps = 1.0\n"


@pytest.mark.parametrize("own", [True, False])
def test_the_engines_pace_takes_the_place_of_mlperf_confs_placeholders_but_of_nothing_else(tmp_path, own):
    (tmp_path / "mlperf.conf").write_text(PLACEHOLDERS + "resnet50.Server.target_latency = 15\n")
    (tmp_path / "user.conf").write_text("resnet50.Offline.min_duration = 400\n")
    files = (tmp_path, None if own else "mlperf.conf", "user.conf")
    offline, settings = settled("Offline", *files, pace=Pace(10, 100, 0.1, 0.1))
    assert (offline["offline_expected_qps"], offline["min_duration_ms"]) == (115, 400)
    assert settings.origins["min_duration_ms"] == "user.conf"
    assert settled("SingleStream", *files)[0]["single_stream_expected_latency_ns"] == 2_000_000
    server, _ = settled("Server", *files)
    assert (server["server_target_qps"], server["server_target_latency_ns"]) == (167, 15_000_000)


def test_a_rate_of_mlperf_confs_own_and_loadgens_default_said_aloud_stay(tmp_path):
    (tmp_path / "mlperf.conf").write_text("*.SingleStream.target_latency = 3\n*.*.min_query_count = 100\n")
    values, settings = settled("SingleStream", tmp_path, "mlperf.conf")
    assert (values["single_stream_expected_latency_ns"], values["min_query_count"]) == (3_000_000, 100)
    assert settings.origins["min_query_count"] == "mlperf.conf"


def test_the_report_tells_only_of_the_scenarios_own_settings(tmp_path):
    (tmp_path / "user.conf").write_text("*.Server.target_qps = 6\n")
    assert not [name for name in settled("Offline", tmp_path, None, "user.conf")[0] if name.startswith("server_")]


def test_tokens_are_not_asked_for_whatever_mlperf_conf_says_of_a_language_model(tmp_path):
    (tmp_path / "user.conf").write_text("resnet50.*.use_token_latencies = 1\n")
    assert settled("Server", tmp_path, None, "user.conf")[1].test.use_token_latencies is False


def test_ours_come_from_the_engines_pace():
    assert settled("SingleStream")[0]["single_stream_expected_latency_ns"] == 2_000_000
    assert settled("Offline", pace=Pace(10, 100, 0.1, 0.1))[0]["offline_expected_qps"] == 115
    server, _ = settled("Server", workers=2)
    assert (server["server_target_qps"], server["server_target_latency_ns"]) == (333, 30_000_000)


def test_early_stopping_gets_the_queries_it_needs_unless_they_take_too_long():
    assert settled("SingleStream")[0]["min_query_count"] == 64
    assert settled("MultiStream")[0]["min_query_count"] == 662
    values, settings = settled("MultiStream", pace=Pace(8, 5, 1.0, 1.0))
    assert values["min_query_count"] == 1
    assert "662" in settings.origins["min_query_count"]


def test_a_server_test_may_end_when_enough_queries_are_late_for_sure():
    options = {"target_qps": 100, "min_duration_ms": 60_000, "target_latency_ns": 500_000_000}
    assert settled("Server", **options)[0]["server_max_async_queries"] == 60 + 100 + 100  # late, just come, and some
    assert settled("Server", server_max_async_queries=7)[0]["server_max_async_queries"] == 7


def test_the_length_of_the_test_is_always_told():
    assert settled("SingleStream")[0]["min_duration_ms"] == 10_000


OUT_OF_RANGE = [
    ("Server", "target_qps", 0, "a number above 0"),
    ("Server", "target_qps", -5, "a number above 0"),
    ("Server", "target_qps", math.nan, "a number above 0"),
    ("Server", "target_qps", math.inf, "a number above 0"),
    ("Server", "target_qps", True, "a number above 0"),
    ("Server", "target_qps", "fast", "a number above 0"),
    ("Server", "server_num_issue_query_threads", 2, "0, as the clients are ours"),
    ("Server", "coalesce_queries", 1, "true or false"),
    ("Server", "find_peak_qps_boundary_step_size", 0, "a number above 0"),
    ("MultiStream", "samples_per_query", 0, "a whole number from 1"),
    ("SingleStream", "target_latency_percentile", 5, "a number between 0 and 1"),
    ("SingleStream", "expected_latency_ns", 0, "a number above 0"),
    ("SingleStream", "use_token_latencies", True, "false"),
    ("Offline", "expected_qps", -3, "a number above 0"),
    ("Offline", "min_duration_ms", -1, "a whole number from 0"),
    ("Offline", "min_duration_ms", 1.5, "a whole number from 0"),
    ("Offline", "min_duration_ms", 2**64 - 1, "a whole number from 0"),
    ("Offline", "min_query_count", 0, "a whole number from 1"),
    ("Offline", "qsl_rng_seed", -1, "a whole number, 0 or more"),
]


@pytest.mark.parametrize(("scenario", "name", "value", "must"), OUT_OF_RANGE)
def test_a_value_that_makes_no_sense_is_an_error_that_says_what_it_must_be(scenario, name, value, must):
    with pytest.raises(ConfigError) as caught:
        wishes(scenario, **{name: value})
    assert str(caught.value).startswith("loadgen: {}: '{}' is {!r}, but must be {}".format(scenario, name, value, must))


def test_loadgens_own_defaults_and_mlperf_confs_make_sense(tmp_path):
    default = lg.TestSettings()
    names = [name for name in wishes("Server").settled(PACE, 1).as_report() if name != "server_max_async_queries"]
    wishes("Server", **{name: getattr(default, name) for name in names})
    (tmp_path / "user.conf").write_text("")
    assert wishes("Server", tmp_path, None, "user.conf").alone.server_target_latency_percentile == 0.99


def test_a_value_of_a_file_that_makes_no_sense_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "user.conf").write_text("*.*.min_duration = -1\n")
    with pytest.raises(ConfigError, match=r"user_conf: .*user\.conf: min_duration_ms is \d+, but must be a whole number from 0"):
        wishes("Offline", tmp_path, None, "user.conf")


def config(tmp_path, *scenarios, loadgen=None, user_conf=None):
    return SimpleNamespace(
        case="c", perf_dir=str(tmp_path), scenarios=scenarios, loadgen=loadgen or {}, mlperf_conf=None, user_conf=user_conf
    )


def test_settings_of_a_scenario_that_does_not_run_are_checked_too(tmp_path):
    check_settings(config(tmp_path, "dataset", "Server", loadgen={"Offline": {"target_qps": 3}}))
    with pytest.raises(ConfigError, match="loadgen: Offline: unknown setting 'target_qsp'"):
        check_settings(config(tmp_path, "Server", loadgen={"Offline": {"target_qsp": 3}}))


def test_a_file_that_is_not_there_is_an_error_even_without_a_scenario(tmp_path):
    with pytest.raises(ConfigError, match=r"user_conf: .*none\.conf: no such file"):
        check_settings(config(tmp_path, "dataset", user_conf="none.conf"))


def test_loadgen_is_missed_only_where_a_scenario_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    check_settings(config(tmp_path, "dataset", loadgen={"Server": {"any": 1}}))
    with pytest.raises(ConfigError, match="pip install mlcommons-loadgen"):
        check_settings(config(tmp_path, "Server"))


def test_a_file_that_no_scenario_reads_is_noted(tmp_path):
    (tmp_path / "my.conf").write_text("hello nonsense\n")
    [note] = check_settings(config(tmp_path, "dataset", user_conf="my.conf"))
    assert note.startswith("user_conf sets nothing, as `scenarios` has none of loadgen's (SingleStream, ")
