"""How a host is logged in to by SSH: what host.yaml says of it, completed from ~/.ssh/config."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ConfigError
from utils.connection.known_hosts import HostName, KnownHosts
from utils.connection.ssh_config import Settings, at_home, config_options, is_file, settings
from utils.plan import HostTarget

CONNECT_SECONDS = 10.0
DEFAULT_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
SYSTEM_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
JUMP_OPTIONS = ("BatchMode=yes", "ServerAliveInterval=3", "ServerAliveCountMax=3")


@dataclass(frozen=True)
class Login:
    """How a host is reached and who logs in there. `proxy` is a command whose stdin and stdout lead to the host."""

    target: str
    host: str
    port: int
    user: str
    keys: tuple[str, ...]
    only_keys: bool
    """Of an agent's keys, offer only those of `keys` (IdentitiesOnly)."""
    agent: str | None
    """The agent's socket; None where there is none to ask."""
    known_hosts: KnownHosts
    trust_first_use: bool
    connect_seconds: float
    proxy: tuple[str, ...] = ()


def resolve(target: HostTarget) -> Login:
    """Complete a target from ~/.ssh/config. Raises ConfigError when that, or the key that is named, cannot be used."""
    if target.key and not is_file(Path(target.key).expanduser()):
        raise ConfigError(f"SSH_KEY: {target.key} is not there; name the file of a private key, or leave SSH_KEY out")
    found = settings(target)
    host, port = _one(found, "hostname") or target.host, int(_one(found, "port") or 22)
    user = _one(found, "user") or getpass.getuser()
    tokens = _tokens(target.host, host, port, user)
    named = [target.key] if target.key else [_expanded(name, tokens) for name in found.get("identityfile", DEFAULT_KEYS)]
    keys = [
        str(path)
        for path in (Path(name).expanduser() for name in named)
        if is_file(path) or is_file(path.with_name(f"{path.name}.pub"))
    ]
    return Login(
        target=target.host,
        host=host,
        port=port,
        user=user,
        keys=tuple(dict.fromkeys(keys)),
        only_keys=_one(found, "identitiesonly") == "yes",
        agent=_agent(found, tokens),
        known_hosts=_known_hosts(target, found, HostName(host, port, _one(found, "hostkeyalias")), tokens),
        trust_first_use=target.trust_first_use or _one(found, "stricthostkeychecking") in ("accept-new", "no", "off", "false"),
        connect_seconds=_seconds(_one(found, "connecttimeout")),
        proxy=_proxy(found, host, port, tokens),
    )


def _one(found: Settings, key: str) -> str | None:
    """A setting of one value; None where there is none, or `none`."""
    value = found.get(key, ("none",))[0]
    return None if value.lower() == "none" else value


def _seconds(text: str | None) -> float:
    """ConnectTimeout, in seconds or as in sshd_config(5), TIME FORMATS; CONNECT_SECONDS without one. Raises ConfigError."""
    if not re.fullmatch(r"(\d+[smhdw]?)*", text or ""):
        raise ConfigError(f"~/.ssh/config: ConnectTimeout {text} is not a time, as 10 or 1m30s")
    units = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    parts = re.findall(r"(\d+)([smhdw]?)", text or "")
    return float(sum(int(number) * units[unit] for number, unit in parts)) or CONNECT_SECONDS


def _known_hosts(target: HostTarget, found: Settings, name: HostName, tokens: Mapping[str, str]) -> KnownHosts:
    users = [at_home(file) for file in _files(found, "userknownhostsfile", USER_FILES, tokens)]
    if target.known_hosts:
        users = [Path(target.known_hosts).expanduser()]
    systems = [Path(file) for file in _files(found, "globalknownhostsfile", SYSTEM_FILES, tokens)]
    revoked = _one(found, "revokedhostkeys")
    return KnownHosts(
        name, (*users, *systems), users[0] if users else None, at_home(_expanded(revoked, tokens)) if revoked else None
    )


def _files(found: Settings, key: str, default: tuple[str, ...], tokens: Mapping[str, str]) -> list[str]:
    return [_expanded(file, tokens) for file in found.get(key, default) if file != "none"]


def _agent(found: Settings, tokens: Mapping[str, str]) -> str | None:
    """The socket of the agent that ssh_config(5), IdentityAgent, names."""
    named = _expanded(found.get("identityagent", ("SSH_AUTH_SOCK",))[0], tokens)
    if named == "none":
        return None
    if named == "SSH_AUTH_SOCK" or named.startswith("$"):
        return os.environ.get(named.lstrip("$")) or None
    return str(at_home(named))


def _proxy(found: Settings, host: str, port: int, tokens: Mapping[str, str]) -> tuple[str, ...]:
    """The command of ProxyCommand, run by the user's shell as ssh_config(5) has it, or of ProxyJump by OpenSSH's own client."""
    command, jumps = _one(found, "proxycommand"), _one(found, "proxyjump")
    if command:
        for token, value in tokens.items():
            if f"%{token}" in command and shlex.quote(value) != value:
                raise ConfigError(f"~/.ssh/config: {value!r} cannot stand for %{token} in ProxyCommand, as a shell reads it")
        return (os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {_expanded(command, tokens)}")
    if not jumps:
        return ()
    *first, last = jumps.split(",")
    through = ("-J", ",".join(first)) if first else ()
    timeout = f"ConnectTimeout={_seconds(_one(found, 'connecttimeout')):.0f}"
    options = [word for option in (*JUMP_OPTIONS, timeout) for word in ("-o", option)]
    to = last if "://" in last else f"ssh://{last}"
    return ("ssh", *config_options(), *options, *through, "-W", f"[{host}]:{port}", to)


def _tokens(original: str, host: str, port: int, user: str) -> dict[str, str]:
    """Source: ssh_config(5), TOKENS."""
    here = socket.gethostname()
    named = {"h": host, "n": original, "p": str(port), "r": user, "u": getpass.getuser(), "k": original}
    return {**named, "%": "%", "d": str(Path.home()), "i": str(os.getuid()), "l": here, "L": here.partition(".")[0]}


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    known = re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), known)
