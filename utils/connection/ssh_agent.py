"""The keys of an SSH agent: of the one that the user's settings name, and only those that may be offered."""

from __future__ import annotations

import base64
import binascii
import socket
from contextlib import suppress
from pathlib import Path

import paramiko
from paramiko.agent import AgentKey, AgentSSH

from utils.connection.ssh_target import Login

ANSWER_SECONDS = 20.0
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----"


class Agent(AgentSSH):
    """What paramiko's client asks for keys, instead of the one agent that SSH_AUTH_SOCK leads to."""

    def __init__(self, login: Login) -> None:
        super().__init__()
        self._only = {blob for key in login.keys if (blob := public_blob(Path(key)))} if login.only_keys else None
        if login.agent is not None:
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(ANSWER_SECONDS)
            try:
                stream.connect(login.agent)
                self._connect(stream)  # type: ignore[attr-defined] # the stubs leave it out
            except (OSError, paramiko.SSHException):  # as good as none
                stream.close()

    def get_keys(self) -> tuple[AgentKey, ...]:
        """The keys to offer."""
        return tuple(key for key in super().get_keys() if self._only is None or key.asbytes() in self._only)

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._close()  # type: ignore[attr-defined]


def public_blob(key: Path) -> bytes | None:
    """The public half of a key: of the file itself, public or in OpenSSH's format, or of the one beside it (`KEY.pub`)."""
    for file in (key, key.with_name(f"{key.name}.pub")):
        with suppress(OSError, IndexError, binascii.Error, ValueError):
            text = file.read_text(encoding="utf-8", errors="replace")
            return _of_private(text) if text.startswith(PRIVATE) else base64.b64decode(text.split()[1], validate=True)
    return None


def _of_private(text: str) -> bytes:
    """A private key's public half, which no passphrase hides. Source: OpenSSH's PROTOCOL.key."""
    message = paramiko.Message(base64.b64decode("".join(text.strip().splitlines()[1:-1])).removeprefix(b"openssh-key-v1\0"))
    for _ in ("cipher", "derivation", "its options"):
        message.get_binary()
    message.get_int()
    return bytes(message.get_binary())
