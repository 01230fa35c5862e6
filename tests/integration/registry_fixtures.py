"""Real image registries on loopback, Debian's docker-registry: one for everybody, one with a login."""

import json
import shutil
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

import bcrypt
import pytest
import services
from ssh_fixtures import free_port

USER, PASSWORD = "me", "secret"


@dataclass(frozen=True)
class Registry:
    """A registry that runs at `address`, its process, and an engine that can bring images there."""

    address: str
    process: services.Service
    client: object

    def take(self, tag):
        """Push the engine's image `tag` and remove it there, so that it can only be had from here."""
        name, _, version = f"{self.address}/{tag}".rpartition(":")
        self.client.api.tag(tag, name, version)
        for line in self.client.api.push(name, version, stream=True, decode=True, auth_config=credentials()):
            assert "error" not in line, line
        self.client.images.remove(self.client.images.get(tag).id, force=True)


def credentials():
    return {"username": USER, "password": PASSWORD}


@contextmanager
def running_registry(folder, client, host="localhost", **more):
    """A registry whose images lie in `folder`; `more` are sections of its configuration."""
    if shutil.which("docker-registry") is None:
        pytest.skip("no docker-registry; tests/lab/install.sh installs it")
    address = f"{host}:{free_port()}"
    sections = {"http": {"addr": address}, "storage": {"filesystem": {"rootdirectory": str(folder / "images")}}, **more}
    (folder / "config.yml").write_text(json.dumps({"version": 0.1, **sections}))  # JSON is YAML too
    process = services.start(["docker-registry", "serve", folder / "config.yml"], folder / "log")
    try:
        wait_for_answer(f"http://{address}/v2/", process, folder / "log")
        yield Registry(address, process, client)
    finally:
        process.kill()
        process.wait()


def wait_for_answer(url, process, log):
    until = time.monotonic() + 60
    while not answers(url):
        if not process.running or time.monotonic() > until:
            pytest.fail(f"docker-registry does not come up: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True  # it wants a login
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def registry(docker_client, tmp_path_factory):
    with running_registry(tmp_path_factory.mktemp("registry"), docker_client) as running:
        yield running


@pytest.fixture
def private_registry(docker_client, tmp_path):
    """A registry that lets only USER in."""
    folder = tmp_path / "private registry"
    folder.mkdir()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))
    (folder / "users").write_text(f"{USER}:{hashed.decode()}\n")
    login = {"htpasswd": {"realm": "images", "path": str(folder / "users")}}
    with running_registry(folder, docker_client, auth=login) as running:
        yield running
