"""A real sshd on loopback, with keys made on the spot."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import services

from utils.connection import connect
from utils.connection.base import Connection
from utils.plan import HostTarget

SSHD = "/usr/sbin/sshd"
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication {passwords}
PermitRootLogin prohibit-password
MaxStartups 50:30:100
MaxSessions {sessions}
SetEnv {environment}
Subsystem sftp internal-sftp
"""

RELAY = """
import os, socket, sys, threading
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def pump(read, write):
    while data := read():
        if not os.path.exists(__file__ + ".cut"):
            write(data)
threading.Thread(target=pump, args=(lambda: os.read(0, 65536), stream.sendall), daemon=True).start()
pump(lambda: stream.recv(65536), lambda data: os.write(1, data))
"""
"""A proxy command: leads to a host and port, and says nothing of a cut: of the network's, or its own while FILE.cut is there."""


@dataclass(frozen=True)
class Sshd:
    """A running sshd; `known_hosts` holds its key, `user_key` lets this user in."""

    folder: Path
    port: int
    process: services.Service

    @property
    def user_key(self) -> Path:
        return self.folder / "user_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: SHA256:…"""
        shown = subprocess.run(["ssh-keygen", "-lf", self.folder / "host_key.pub"], capture_output=True, check=True, text=True)
        return shown.stdout.split()[1]

    @property
    def target(self) -> HostTarget:
        return HostTarget("127.0.0.1", 0, True, self.port, getpass.getuser(), str(self.user_key), str(self.known_hosts))

    def target_with(self, **changes: object) -> HostTarget:
        return replace(self.target, **changes)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def make_key(path: Path) -> Path:
    """An ed25519 key pair; returns the private key's path."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def behind_a_relay(home: Path, name: str, address: str) -> Path:
    """Let ~/.ssh/config of a new `home` lead to host `name` at `address` by a proxy command, whose file is returned."""
    relay = home / "relay.py"
    relay.write_text(RELAY)
    (home / ".ssh").mkdir()
    config = f"Host {name}\n  HostName {address}\n  ProxyCommand {sys.executable} {relay} %h %p\n"
    (home / ".ssh" / "config").write_text(config)
    return relay


def start_sshd(
    folder: Path,
    port: int | None = None,
    inside: Sequence[str | Path] = (),
    passwords: str = "no",
    sessions: int = 10,
    variables: str = "",
) -> Sshd:
    """Start an sshd whose files lie in `folder`, by the command `inside`; keys that are already there are used. Its sessions have
    also `variables` (NAME=value)."""
    port = port or free_port()
    for name in ("host_key", "user_key"):
        if not (folder / name).exists():
            make_key(folder / name)
    values = {"port": port, "folder": folder, "passwords": passwords, "sessions": sessions}
    (folder / "sshd_config").write_text(CONFIG.format(environment=f"{session_environment()} {variables}", **values))
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation insists on it
    process = services.start([*inside, SSHD, "-D", "-e", "-f", folder / "sshd_config"], folder / "sshd.log")
    _wait_for(port, process, folder / "sshd.log")
    return Sshd(folder, port, process)


def session_environment() -> str:
    """What every session gets: our Python as python3, and the engine that our own DOCKER_HOST leads to."""
    words = [f"PATH={Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    if "DOCKER_HOST" in os.environ:
        words.append(f"DOCKER_HOST={os.environ['DOCKER_HOST']}")
    return " ".join(words)


def free_port() -> int:
    """A port that nobody has, of those that Linux gives to nobody who does not ask for them by number (ip_local_port_range)."""
    while True:
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port := 15_000 + secrets.randbelow(15_000)))
            return port


def waited_for(happens: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether something comes true within `seconds`."""
    until = time.monotonic() + seconds
    while not happens() and time.monotonic() < until:
        time.sleep(0.05)
    return happens()


def _wait_for(port: int, process: services.Service, log: Path) -> None:
    for _ in range(1200):
        if not process.running:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"sshd does not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sshd_with_engine(docker_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd whose sessions find the tests' Docker engine."""
    server = start_sshd(tmp_path_factory.mktemp("sshd-with-engine"))
    yield server
    server.stop()


@pytest.fixture(params=["local", "ssh"])
def connection(request: pytest.FixtureRequest, sshd: Sshd) -> Iterator[Connection]:
    """This machine, directly and over SSH."""
    target = sshd.target if request.param == "ssh" else HostTarget("localhost", 0, False)
    with connect(target) as opened:
        yield opened
