"""An engine that makes a container only after the run.py that asked for it was killed: nothing of it is left."""

import pytest
from engine_proxy import slow_engine
from quick_guest import hold, let_go, ran, use_quick_guest
from test_interrupt import containers, eventually, left_over
from toy import add_case

pytestmark = pytest.mark.docker


@pytest.fixture
def quick(container_project):
    """A project of one quick case in a container, whose image is there."""
    use_quick_guest(container_project)
    container_project.host_yaml(CASES=add_case(container_project, "one", framework="pytorch_here"), **container_project.docker)
    assert container_project.run().status == 0
    return container_project


@pytest.fixture
def engine():
    with slow_engine() as proxy:
        yield proxy


def started(project, engine, *arguments):
    """run.py, with this engine."""
    project.environment["DOCKER_HOST"] = engine.url
    run = project.start(*arguments)
    del project.environment["DOCKER_HOST"]
    return run


def killed_while_it_asks(project, engine):
    """Kill a run whose request for a container is on its way."""
    run = started(project, engine)
    assert engine.held.wait(60)
    run.kill()
    run.communicate()


def check_none_left(project, docker_client, resumed):
    assert containers(docker_client, resumed) == left_over(project) == []
    assert not list(project.results.glob("**/.container"))


def test_a_container_that_is_asked_for_before_a_kill_and_made_after_the_resumed_run_is_refused(quick, engine, docker_client):
    killed_while_it_asks(quick, engine)
    resumed = quick.run("run", "--resume")
    assert resumed.status == 0, resumed.output
    engine.let_go()
    eventually(lambda: engine.answers)
    assert " 400 " in engine.answers[0]
    check_none_left(quick, docker_client, resumed)


def test_a_container_that_is_made_while_the_resumed_run_asks_for_its_own_makes_way(quick, engine, docker_client):
    killed_while_it_asks(quick, engine)
    [permit] = quick.results.glob("run*/*/*_noderank0/.container")
    with slow_engine() as other:
        run = started(quick, other, "run", "--resume")
        assert other.held.wait(60)
        permit.mkdir()  # as if the engine had looked for it before it was removed
        engine.let_go()
        eventually(lambda: engine.answers)
        other.let_go()
        resumed = quick.finish(run)
    assert resumed.status == 0, resumed.output
    assert " 201 " in engine.answers[0]
    check_none_left(quick, docker_client, resumed)


def test_one_that_only_gives_files_to_their_owner_and_is_made_after_the_resumed_run_is_refused(quick, engine, docker_client):
    quick.environment.update(SUDO_UID="12345", SUDO_GID="12345")
    hold(quick, "one")
    engine.let_go()
    run = started(quick, engine)
    eventually(lambda: len(ran(quick, "began").get("one", [])) == 2)
    engine.hold()
    [container] = docker_client.containers.list(filters={"volume": str(quick.folder)})
    container.remove(force=True)
    assert engine.held.wait(60)
    run.kill()
    run.communicate()
    let_go(quick, "one")
    resumed = quick.run("run", "--resume")
    assert resumed.status == 0, resumed.output
    engine.let_go()
    eventually(lambda: len(engine.answers) == 2)
    assert " 400 " in engine.answers[1]
    check_none_left(quick, docker_client, resumed)
