"""What `run.py check` says of a host, before anything is started there."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_example import make_case, make_host, make_plan
from requests.exceptions import ConnectionError as NoAnswer

from utils import check
from utils.connection.base import LEAST_PYTHON, Completed
from utils.connection.local import LocalConnection
from utils.planning import Planned


class FakeEngine:
    """An engine that was just connected to; `info` None where it answers nothing more."""

    def __init__(self, info):
        self._info = info

    def version(self):
        return {"Version": "27.0"}

    def info(self):
        if self._info is None:
            raise NoAnswer("the socket was closed")
        return self._info


class FakeHost(LocalConnection):
    """This machine, with another version of Python or an engine of our own."""

    def __init__(self, python=None, info=None):
        super().__init__("node1")
        self._python, self._info = python, info

    def run(self, argv, **more):
        done = super().run(argv, **more)
        answer = json.loads(done.stdout)
        return Completed(done.argv, 0, json.dumps({**answer, "python": self._python or answer["python"]}), "")

    def docker(self):
        return FakeEngine(self._info)


class OtherHost(FakeHost):
    """Another machine, where the results do not stay."""

    is_local = False


@pytest.fixture
def problems(monkeypatch, tmp_path):
    """A function that checks a plan without a case on a host; it returns problems and notes as text, and the exit code."""

    def found(host, cases=(), code=None, **changes):
        monkeypatch.setattr(check, "connect", lambda target: host)
        plan = replace(make_plan(tmp_path), cases=cases, code_path=code or str(tmp_path), **changes)
        findings = check.check(Planned(plan, ()))
        return [one.message for one in findings if one.level != check.OK], check.exit_code(findings)

    return found


def test_messages_and_documentation_name_one_least_python():
    root = Path(__file__).parents[2]
    least = ".".join(map(str, LEAST_PYTHON))
    assert f"`python3` ({least} or newer)" in (root / "docs" / "using.md").read_text()
    named = re.compile(r"install python3? \(?\d", re.IGNORECASE)
    assert [str(file) for file in (root / "utils").rglob("*.py") if named.search(file.read_text())] == []


def test_a_python_that_is_too_old_is_a_problem(problems):
    assert problems(FakeHost(python=[3, 7, 3])) == (["Python 3.7.3 is too old; install python3 (3.8 or newer)"], 1)
    assert problems(FakeHost(python=[3, 8, 0])) == ([], 0)


def test_an_engine_that_answers_once_and_no_more_is_a_problem_of_its_host(problems):
    said, code = problems(FakeHost(info=None), runtime="docker")
    assert said[0].startswith("node1: the Docker engine does not answer: the socket was closed")
    assert code == 3


def test_what_the_container_options_name_is_looked_for_on_the_host(problems, tmp_path):
    options = f"--device /dev/null --device {tmp_path}/gpu --mount type=bind,source={tmp_path}/sdk,target=/sdk -v name:/v"
    said, code = problems(FakeHost(info={"Runtimes": {"runc": {}}}), runtime="docker", container_options=options)
    assert [text.split(" does not exist there")[0] for text in said] == [
        f"ACCE_CONTAINER_OPT: --device {tmp_path}/gpu",
        f"ACCE_CONTAINER_OPT: --mount {tmp_path}/sdk",
    ]
    assert code == 2


def test_a_volume_s_folder_that_is_not_there_is_only_noted_as_docker_makes_it(problems, tmp_path):
    options = f"-v {tmp_path}:/here:ro -v {tmp_path}/none:/none"
    said, code = problems(FakeHost(info={"Runtimes": {}}), runtime="docker", container_options=options)
    assert said == [f"ACCE_CONTAINER_OPT: -v {tmp_path}/none does not exist there; Docker makes an empty folder of it"]
    assert code == 0


@pytest.mark.parametrize(("runtime", "code"), [("nvidia", 2), ("runc", 0), ("io.containerd.kata.v2", 0)])
def test_a_runtime_that_the_engine_has_not_is_a_problem(problems, runtime, code):
    host = FakeHost(info={"Runtimes": {"runc": {}, "crun": {}}})
    said, status = problems(host, runtime="docker", container_options=f"--runtime {runtime}")
    assert status == code
    assert not said or "which has: crun, runc" in said[0]


def test_a_shared_memory_that_is_too_small_for_the_workers_is_noted(problems):
    keys = {"num_workers": 8, "batch_size": 10**6, "input_size": 10**6}
    values = {"compiler": None, "precision": "fp32", **dict.fromkeys(("no_validation", "exist_onnx_path", "exist_compiler_path"))}
    config = {key: {"value": value, "origin": "default"} for key, value in {**keys, **values}.items()}
    said, _ = problems(FakeHost(), cases=(replace(make_case(), config=config),))
    assert any("num_workers 8 with batch_size 1000000 may need" in text for text in said)


def case_with(**keys):
    empty = ("compiler", "no_validation", "exist_onnx_path", "exist_compiler_path")
    values = {**dict.fromkeys(empty), "precision": "fp32", "batch_size": 8, **keys}
    return replace(make_case(), config={key: {"value": value, "origin": "--set"} for key, value in values.items()})


def test_a_user_conf_that_names_no_file_is_a_problem(problems, tmp_path):
    said, code = problems(FakeHost(), cases=(case_with(user_conf="no.conf"),))
    lack = f"user_conf {tmp_path}/no.conf of {make_case().name} is missing or unreadable; put it there, or correct --set"
    assert (lack in said, code) == (True, 2)


def test_a_user_conf_that_will_travel_with_the_code_is_not_missing_on_a_host_without_it(problems, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "my.conf").touch()
    there = str(tmp_path / "there")
    said = {
        name: problems(FakeHost(), cases=(case_with(user_conf=name),), code=there)[0] for name in ("configs/my.conf", "my.conf")
    }
    assert [any("user_conf" in text for text in said[name]) for name in said] == [False, True]


@pytest.mark.parametrize("below", ["", "/below/it"])
@pytest.mark.parametrize("host", [FakeHost(), OtherHost()])
def test_results_that_a_file_is_in_the_way_of_are_a_problem_that_names_the_key(problems, tmp_path, host, below):
    file = tmp_path / "README.md"
    file.touch()
    target = replace(make_host(), ssh=not host.is_local)
    said = problems(host, code=str(tmp_path / "code"), results=Path(f"{file}{below}"), hosts=(target,))
    assert said == ([f"FLAGPERF_LOG_PATH {file}{below}: {file} is no folder; choose another path"], 1)


def test_a_file_in_the_place_of_the_code_is_a_problem_that_names_the_key(problems, tmp_path):
    file = tmp_path / "README.md"
    file.touch()
    assert problems(FakeHost(), code=str(file)) == ([f"FLAGPERF_PATH {file}: {file} is no folder; choose another path"], 1)
