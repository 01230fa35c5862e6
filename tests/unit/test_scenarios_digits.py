"""MLPerf's scenarios as a user gets them: the whole pipeline, real digits, a real engine, each scenario short."""

import pytest

for package in ("torch", "sklearn", "safetensors", "openvino", "mlperf_loadgen"):
    pytest.importorskip(package)

from case_support import case_runner  # noqa: E402

ALL = ("SingleStream", "MultiStream", "Server", "Offline")
QUICK = ("compiler=openvino", "batch_size=8", "percentiles=[]", "warmup=0", "max_samples=64")


@pytest.fixture
def measure_digits(tmp_path, monkeypatch):
    measure = case_runner(tmp_path, monkeypatch)
    return lambda *settings: measure("digits", "embedded", *QUICK, *settings)


@pytest.mark.slow
def test_all_four_scenarios_are_in_the_result_and_as_accurate_as_the_pass_over_the_data(measure_digits):
    short = ", ".join(f"{name}: {{min_duration_ms: 200, min_query_count: 1}}" for name in ALL)
    result = measure_digits(f"scenarios=[{', '.join(ALL)}]", f"loadgen={{{short}}}")
    assert [one.name for one in result.scenarios] == list(ALL)
    for one in result.scenarios:
        assert (one.value > 0, one.accuracy) == (True, result.inference.accuracy)
        assert one.status == ("INVALID" if one.reasons else "OK")
        assert {reason.kind for reason in one.reasons} <= {"loadgen"}  # its rules want more queries than so short a test has


def test_a_user_conf_that_sets_only_the_length_gives_a_valid_offline_test(measure_digits, tmp_path):
    (tmp_path / "user.conf").write_text("digits.Offline.min_duration = 400\n")
    (offline,) = measure_digits("scenarios=[Offline]", "user_conf=user.conf").scenarios
    assert (offline.status, offline.valid, list(offline.reasons)) == ("OK", True, [])
    assert offline.settings["min_duration_ms"] == {"value": 400, "origin": "user.conf"}
    rate = offline.settings["offline_expected_qps"]["value"]
    assert offline.samples == pytest.approx(1.1 * rate * 0.4, rel=0.05)  # how long they take is the machine's affair


@pytest.mark.parametrize("mistake", ["target_qps: 0", "target_qps: .nan", "target_qsp: 3"])
def test_a_mistake_in_a_scenarios_settings_is_a_configuration_error_and_not_a_hang(measure_digits, mistake):
    result = measure_digits("scenarios=[Server]", f"loadgen={{Server: {{{mistake}}}}}")
    assert "loadgen: Server: " in " ".join(reason.message for reason in result.reasons)
    assert {one.status for one in result.scenarios} <= {"FAILED"}
