"""The settings of a loadgen test: which layer wins, what cannot be, and ours."""

from types import SimpleNamespace

import pytest

lg = pytest.importorskip("mlperf_loadgen")

from tools.errors import ConfigError  # noqa: E402
from tools.loadgen_settings import Pace, Wishes  # noqa: E402

PACE = Pace(samples=1, queries=100, quickest=0.002, median=0.003)


def wishes(scenario, tmp_path=None, mlperf_conf=None, user_conf=None, **loadgen):
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
    config = SimpleNamespace(loadgen={"Server": {"scenario": 1}}, mlperf_conf=None, user_conf=None)
    with pytest.raises(ConfigError, match="unknown setting 'scenario'"):
        Wishes(lg, "Server", config)


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
