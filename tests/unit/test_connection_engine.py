"""Why no Docker engine answers, as its host's own docker command tells it."""

import socket
import threading

import docker
import pytest

from tools.errors import CommandTimeout, HostError
from utils.connection.base import Completed
from utils.connection.engine import open_engine
from utils.connection.local import LocalConnection


class HostWithout:
    """A host whose `docker version` fails as given."""

    host = "node2"
    is_local = False

    def __init__(self, status, stderr):
        self._answer = (status, stderr)

    def run(self, argv, *, timeout):
        if argv[0] == "id":
            return Completed(tuple(argv), 0, "worker\n", "")
        if self._answer[0] is None:
            raise CommandTimeout("node2: docker version did not end")
        return Completed(tuple(argv), self._answer[0], "", self._answer[1])


@pytest.mark.parametrize(
    ("status", "stderr", "words"),
    [
        (127, "No such file or directory: 'docker'", "not installed"),
        (1, "permission denied while trying to connect to the Docker daemon socket", "worker may not use it"),
        (1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "systemctl start docker"),
        (None, "", "hangs"),
    ],
)
def test_the_error_says_what_is_wrong_and_what_to_do(tmp_path, status, stderr, words):
    with pytest.raises(HostError, match="no Docker engine answers on node2") as error:
        open_engine(HostWithout(status, stderr), f"unix://{tmp_path}/none.sock")
    assert words in str(error.value)
    assert isinstance(error.value.__cause__, docker.errors.DockerException)


def test_a_connection_is_closed_while_its_engine_hangs(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    errors = []

    def ask():
        with pytest.raises(HostError) as error:
            local.docker()
        errors.append(str(error.value))

    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "engine.sock"))
        engine.listen()
        local = LocalConnection("here")
        monkeypatch.setattr(local, "run", lambda argv, timeout: Completed(tuple(argv), 127, "", ""))
        asking = threading.Thread(target=ask)
        asking.start()
        caller = engine.accept()[0]
        local.close()
        assert errors == []  # it still waits
        caller.close()
        asking.join(60)
    assert len(errors) == 1
