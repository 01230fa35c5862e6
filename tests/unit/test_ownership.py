"""What a run under sudo gives back to who called."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_example import make_host, make_plan

from utils.ownership import first_missing, sudo_caller
from utils.running import written_beside


def test_the_first_folder_that_is_missing_is_the_topmost_one(tmp_path):
    assert first_missing(tmp_path / "a" / "b" / "c") == tmp_path / "a"
    (tmp_path / "a").mkdir()
    assert first_missing(tmp_path / "a" / "b") == tmp_path / "a" / "b"


def test_a_folder_that_may_not_be_searched_counts_as_missing(tmp_path):
    too_long = tmp_path / ("x" * 300)
    assert first_missing(too_long / "run") == too_long


@pytest.mark.parametrize(
    ("user", "environment", "caller"),
    [
        (0, {"SUDO_UID": "5", "SUDO_GID": "6"}, (5, 6)),
        (0, {"SUDO_UID": "5"}, (5, 5)),
        (0, {}, None),
        (7, {"SUDO_UID": "5", "SUDO_GID": "6"}, None),
    ],
)
def test_the_caller_is_known_only_to_root_under_sudo(monkeypatch, user, environment, caller):
    monkeypatch.setattr("os.getuid", lambda: user)
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sudo_caller() == caller


def test_code_and_packages_are_written_where_the_plan_says(tmp_path, monkeypatch):
    plan = make_plan(tmp_path, code_path=str(tmp_path), runtime="process")
    elsewhere = replace(plan, code_path="/opt/code")
    assert written_beside(plan) == [tmp_path / "onnxs"]
    assert written_beside(elsewhere) == [tmp_path / "onnxs", Path("/opt/code")]
    assert written_beside(replace(elsewhere, hosts=(replace(make_host(), ssh=True),))) == [tmp_path / "onnxs"]
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert written_beside(plan) == [tmp_path / "onnxs", tmp_path / ".venv"]
    assert written_beside(replace(plan, runtime="docker")) == [tmp_path / "onnxs"]
