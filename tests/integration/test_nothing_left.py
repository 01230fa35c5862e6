"""Whatever a run has labelled is gone when it has ended, whoever made it."""

import pytest
from quick_guest import hold, let_go, ran, use_quick_guest
from test_interrupt import containers, eventually
from toy import add_case

pytestmark = pytest.mark.docker


@pytest.fixture
def held(container_project):
    """A project whose case is in its container until it is let go."""
    use_quick_guest(container_project)
    container_project.host_yaml(CASES=add_case(container_project, "one", framework="pytorch_here"), **container_project.docker)
    hold(container_project, "one")
    return container_project


@pytest.fixture
def made(docker_client, base_tag):
    """Makes a container with labels, and removes it in the end."""
    found = []

    def make(labels):
        found.append(docker_client.containers.create(base_tag, ["true"], labels=labels).id)

    yield make
    for container in docker_client.containers.list(all=True):
        if container.id in found:
            container.remove(force=True)


def test_another_container_with_a_run_s_labels_is_gone_when_the_run_has_ended_and_another_run_s_stays(held, docker_client, made):
    run = held.start()
    eventually(lambda: "one" in ran(held, "began"))
    [folder] = held.results.glob("run*")
    [own] = docker_client.containers.list(filters={"label": f"accelmark.run={folder.name}"})
    made({**own.labels, "accelmark.case": "another:pytorch_here"})
    made({**own.labels, "accelmark.run": "another"})
    let_go(held, "one")
    finished = held.finish(run)
    assert finished.status == 0, finished.output
    assert containers(docker_client, finished) == []
    assert len(docker_client.containers.list(all=True, filters={"label": "accelmark.run=another"})) == 1
