"""A container's name, when the engine already has it or is still at work on it."""

import os
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
from docker.errors import APIError, NotFound
from report_example import make_case, make_host, make_plan
from requests import Response

from utils.recovery import Left
from utils.runtime import creation
from utils.runtime.labels import CASE, PID, PID_STARTED, container_labels

MINE = container_labels("run1", "toy:pytorch", 0)
LIVING = {PID: str(os.getppid()), PID_STARTED: f"{psutil.Process(os.getppid()).create_time():.0f}"}


class Engine:
    """An engine in which a name is taken by a container with these labels; None says that it is being made. `waits` is how often
    it is asked until that has come to an end."""

    def __init__(self, labels, waits=0):
        self.labels, self.waits, self.taken, self.calls = labels, waits, True, []

    def create_container(self, image, command, *, name, labels):
        self.calls.append("create")
        if self.taken:
            self.waits -= 1
            self.taken = self.labels is not None or self.waits > 0
            raise APIError("Conflict", response=answer(409))
        return {"Id": "new"}

    def inspect_container(self, name):
        if self.labels is None:
            raise NotFound("No such container", response=answer(404))
        return {"Config": {"Labels": self.labels}}

    def remove_container(self, name, force, v):
        self.calls.append(f"remove {name}")
        if self.labels is None:
            raise NotFound("No such container", response=answer(404))
        self.taken = False


def answer(status):
    response = Response()
    response.status_code = status
    return response


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(creation, "PAUSE_SECONDS", 0.0)


def made(engine):
    return creation.create(engine, "image", ["true"], "name", MINE)


def test_a_container_that_an_earlier_start_of_the_run_left_makes_way():
    engine = Engine({**MINE, PID: "4194305"})
    assert made(engine) == {"Id": "new"}
    assert engine.calls == ["create", "remove name", "create"]


def test_one_that_the_engine_is_still_making_is_waited_for():
    engine = Engine(None, waits=3)
    assert made(engine) == {"Id": "new"}
    assert engine.calls.count("create") == 4


@pytest.mark.parametrize("labels", [{**MINE, CASE: "other:pytorch"}, {**MINE, **LIVING}, {}])
def test_one_of_another_case_or_of_another_process_that_lives_stays(labels):
    engine = Engine(labels)
    with pytest.raises(APIError):
        made(engine)
    assert engine.calls == ["create"]


def test_an_engine_that_does_not_get_done_is_a_conflict(monkeypatch):
    monkeypatch.setattr(creation, "MAKING_SECONDS", -1.0)
    with pytest.raises(APIError):
        made(Engine(None, waits=3))


def test_the_name_is_the_same_in_all_starts_of_a_run_and_one_that_docker_accepts():
    assert creation.container_name("run1", "a+b:pytorch_2", 3) == "accelmark-run1-a_b-pytorch_2-3"


class IdleEngine:
    """An engine without containers, which gives away names."""

    def __init__(self):
        self.names = []

    def containers(self, **options):
        return []

    def create_container(self, image, command, *, name, labels):
        self.names.append(name)
        return {"Id": name}

    def remove_container(self, name, force, v):
        pass


def test_all_that_a_killed_run_may_have_asked_for_is_withdrawn(tmp_path):
    engine, case = IdleEngine(), make_case()
    plan = make_plan(tmp_path, cases=(replace(case, image=replace(case.image, folder=tmp_path)),), run_id="run1")
    (tmp_path / "Dockerfile").touch()
    done = SimpleNamespace(status=0)
    connection = SimpleNamespace(host="a", run=lambda *_, **__: done, docker=lambda: SimpleNamespace(api=engine))
    files = SimpleNamespace(connection=connection, plan=plan, case=plan.cases[0], host=make_host(), remote="/there")
    Left(files)._end_containers(SimpleNamespace(again=lambda what, act: act()))
    assert engine.names == ["accelmark-run1-resnet50-pytorch_2.13-0", "accelmark-run1-chown-0"]
