"""A rootless engine: Podman's service as a user with subordinate ids and a network device, in a mount namespace of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import base_image
import docker
import other_user
import pytest
import services

USER, FIRST, COUNT = 23457, 300_000, 65536
"""The user's number, and the numbers that his containers' other users have here."""

SERVICE = """
set -eu
for name in passwd group subuid subgid; do mount --bind "$1/etc/$name" "/etc/$name"; done
mkdir -p /dev/net
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
exec setpriv --reuid="$2" --regid="$2" --clear-groups env -i HOME="$1/home" XDG_RUNTIME_DIR="$1/run" \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin podman system service --time=0 "unix://$1/run/podman.sock"
"""


@dataclass(frozen=True)
class Rootless:
    """A running rootless engine and what there is in its user's folder."""

    folder: Path
    base_tag: str
    network_device: Path
    """Its own /dev/net/tun, as seen from outside; slirp4netns opens it as the user."""

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/run/podman.sock"


@pytest.fixture(scope="session")
def rootless() -> Iterator[Rootless]:
    """Podman's service of a user who exists for nobody else; DOCKER_HOST is left as it is."""
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in ("podman", "newuidmap", "slirp4netns", "setpriv")):
        pytest.skip("only root, with podman, uidmap and slirp4netns installed, can start a rootless engine")
    for name in ("subuid", "subgid"):
        if not Path("/etc", name).exists():
            Path("/etc", name).touch()
    folder = Path(tempfile.mkdtemp(prefix="accelmark-rootless-"))
    services.afterwards("rm", "-rf", folder)
    _write_files(folder)
    command = ["unshare", "--mount", "sh", "-c", SERVICE, "rootless", str(folder), str(USER)]
    service = services.start(command, folder / "log")
    try:
        base_tag = _with_base_image(f"unix://{folder}/run/podman.sock", service, folder / "log")
        yield Rootless(folder, base_tag, Path(f"/proc/{service.pid}/root/dev/net/tun"))
    finally:
        service.terminate()
        service.wait()
        _end_processes()


def _write_files(folder: Path) -> None:
    for name in ("etc", "home/.config/containers", "run"):
        (folder / name).mkdir(parents=True)
    for name, line in (("passwd", f"rootless:x:{USER}:{USER}::{folder}/home:/bin/sh\n"), ("group", f"rootless:x:{USER}:\n")):
        (folder / "etc" / name).write_text(Path("/etc", name).read_text() + line)
    for name in ("subuid", "subgid"):
        (folder / "etc" / name).write_text(f"rootless:{FIRST}:{COUNT}\n")
    settings = folder / "home/.config/containers"
    places = f'graphroot = "{folder}/home/images"\nrunroot = "{folder}/run/containers"\n'
    (settings / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\n{places}')
    (settings / "containers.conf").write_text('[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
    folder.chmod(0o755)
    other_user.give(folder, USER)


def _with_base_image(url: str, service: services.Service, log: Path) -> str:
    """Wait for the engine and give it the base image, whose tag is returned."""
    socket, until = Path(url.removeprefix("unix://")), time.monotonic() + 180
    while not socket.exists():
        if not service.running or time.monotonic() > until:
            pytest.fail(f"podman does not come up: {log.read_text()[-2000:]}")
        time.sleep(0.1)
    client = docker.DockerClient(base_url=url, timeout=120)
    try:
        name, _, version = base_image.TAG.rpartition(":")
        base_image.build(client, base_image.TAG)
        client.api.tag(client.images.list()[0].id, name, version)
        return base_image.TAG
    finally:
        client.close()


def _end_processes() -> None:
    """What a rootless engine leaves: the process that holds its namespaces, and its networks."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid in (USER, *range(FIRST, FIRST + COUNT)):
                os.kill(int(entry.name), 9)
        except (FileNotFoundError, ProcessLookupError):
            continue
