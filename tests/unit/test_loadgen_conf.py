"""Lines of user.conf and mlperf.conf that would set nothing."""

from types import SimpleNamespace

import pytest

lg = pytest.importorskip("mlperf_loadgen")

from tools.errors import ConfigError  # noqa: E402
from tools.loadgen_conf import KEYS, idle_lines  # noqa: E402
from tools.loadgen_settings import check_settings  # noqa: E402

RIGHT = "# a comment\n\n*.Server.target_qps = 6\nresnet50.*.min_duration = 1000\n  *.Offline.target_qps  =  1e3\r\n"


@pytest.fixture
def said(tmp_path):
    """A function that checks a file: what is said of it."""

    def of(text, shared=False):
        (tmp_path / "user.conf").write_text(text)
        return idle_lines(lg, tmp_path / "user.conf", "user.conf", "resnet50", shared)

    return of


def test_of_lines_that_set_something_nothing_is_said(said):
    assert said(RIGHT) == ()


@pytest.mark.parametrize("key", KEYS)
def test_the_words_that_are_offered_are_loadgen_s(said, key):
    assert said(f"*.*.{key} = 1\n") == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("*.Server.target_qsp = 6", "user.conf:6: 'target_qsp' sets nothing for Server; did you mean 'target_qps'?"),
        ("*.*.min_duratoin = 6", "user.conf:6: 'min_duratoin' sets nothing for any scenario; did you mean 'min_duration'?"),
        ("*.server.target_qps = 6", "user.conf:6: 'server' is no scenario; did you mean 'Server'? (* is all of them)"),
        ("*.Server.mode = 2", "user.conf:6: 'mode' is not for this file to set"),
        ("*.Server.target_qps = fast", "user.conf:6: loadgen wants a number here"),
        ("Server.target_qps = 6", "user.conf:6: loadgen wants 'model.scenario.key = number'"),
        ("*.Server.target_qps=6", "with blanks around the '='"),
        ("*.Server.target_qps 6", "user.conf:6: loadgen wants 'model.scenario.key = number'"),
        ("*.Server.target_qps =", "user.conf:6: loadgen wants 'model.scenario.key = number'"),
        ("*.Server.target_qps = 5 6", "nothing behind the number"),
        ("*.Server.target_qps = 6 # fast", "nothing behind the number"),
        ("hello", "user.conf:6: loadgen wants 'model.scenario.key = number'"),
    ],
)
def test_a_line_that_sets_nothing_for_anyone_is_refused_with_its_place(said, line, message):
    with pytest.raises(ConfigError) as caught:
        said(RIGHT + line + "\n")
    assert message in str(caught.value)


def test_a_line_of_another_model_is_said_once_for_each_model(said):
    text = "resnet-50.Server.target_qps = 6\nresnet-50.Offline.target_qps = 6\nbert.*.min_duration = 7\n"
    assert said(RIGHT + text) == (
        "user.conf:6: what is said of model 'resnet-50' does not hold for case resnet50; did you mean 'resnet50'?",
        "user.conf:8: what is said of model 'bert' does not hold for case resnet50",
    )


def test_mlperf_conf_is_for_all_models_and_may_be_of_another_version(said):
    text = RIGHT + "bert.*.use_token_latencies = 1\n*.Server.a_key_of_tomorrow = 1\n"
    assert said(text, shared=True) == ("user.conf:7: 'a_key_of_tomorrow' sets nothing for Server",)


def test_tokens_that_are_asked_for_are_said_to_be_left_out(said):
    assert said("*.Server.use_token_latencies = 1\n") == (
        "user.conf:1: 'use_token_latencies' is left out, as what is answered are whole queries",
    )


def test_what_is_said_reaches_the_case_before_it_runs(tmp_path):
    (tmp_path / "user.conf").write_text("resnet.Server.target_qps = 6\n")
    config = SimpleNamespace(case="resnet50", perf_dir=str(tmp_path), scenarios=("Server",), loadgen={}, mlperf_conf=None)
    config.user_conf = "user.conf"
    assert "model 'resnet' does not hold for case resnet50; did you mean 'resnet50'?" in check_settings(config)[0]
    (tmp_path / "user.conf").write_text("*.Server.target_qsp = 6\n")
    with pytest.raises(ConfigError, match=r"user\.conf:1: 'target_qsp' sets nothing for Server"):
        check_settings(config)
