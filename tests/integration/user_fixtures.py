"""An sshd with a user who is not root: he has a password, may use Docker, and exists in that sshd's mount namespace only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import services
from ssh_fixtures import Sshd, start_sshd

NAME, NUMBER = "accelmark-user", 23458
PASSWORD = "ssh-s3cr3t"
HASH = "$6$accelmark$sbkxow2YYR2xkXzM4b98abjSCUAIkGqj56olDa5N1jvTyhhRMdBMEBJCCUBPWeqwU4li59.JXL954KNFxXIPF0"
"""By `openssl passwd -6 -salt accelmark ssh-s3cr3t`."""

OWN_FILES = 'folder=$1; shift; for name in passwd shadow group; do mount --bind "$folder/$name" "/etc/$name"; done; exec "$@"'


@dataclass(frozen=True)
class UserHost:
    """The host; `home` is a folder of the user's own."""

    sshd: Sshd
    home: Path

    @property
    def keys(self) -> dict[str, Any]:
        """Keys of host.yaml that lead there, and into a folder of his; with no key but what is in an agent or ~/.ssh."""
        where = {"SSH_PORT": self.sshd.port, "SSH_KNOWN_HOSTS": str(self.sshd.known_hosts), "SSH_USER": NAME}
        return {**where, "CONNECTION": "ssh", "FLAGPERF_PATH": str(self.home / "code")}


@pytest.fixture
def user_host(docker_engine: None) -> Iterator[UserHost]:
    """The host; whatever becomes of the test, this machine's own users stay as they are."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can make a user for one process alone")
    folder = Path(tempfile.mkdtemp(prefix="accelmark-user-"))  # pytest's own folders are closed to him
    services.afterwards("rm", "-rf", folder)
    folder.chmod(0o755)
    (folder / "home").mkdir()
    os.chown(folder / "home", NUMBER, NUMBER)
    lines = {
        "passwd": f"{NAME}:x:{NUMBER}:{NUMBER}::{folder}/home:/bin/sh",
        "shadow": f"{NAME}:{HASH}:19000:0:99999:7:::",
        "group": f"accelmark-engine:x:{engine_group()}:{NAME}",
    }
    for name, line in lines.items():
        (folder / name).write_text(f"{Path('/etc', name).read_text()}{line}\n")
    server = start_sshd(folder, inside=("unshare", "--mount", "sh", "-euc", OWN_FILES, "sh", folder), passwords="yes")
    try:
        yield UserHost(server, folder / "home")
    finally:
        server.stop()


def engine_group() -> int:
    """Whose members may use the engine's socket."""
    return Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")).stat().st_gid
