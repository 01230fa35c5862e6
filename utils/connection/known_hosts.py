"""Which host keys are trusted: OpenSSH's known_hosts files, read line by line so that a message can name one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import paramiko

from tools.errors import HostError

SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file that speaks of a host."""

    file: Path
    line: int
    key: paramiko.PKey
    revoked: bool = False


def host_name(host: str, port: int) -> str:
    """The name under which known_hosts lists a host: `host`, or `[host]:port` where the port is not 22."""
    return host if port == 22 else f"[{host}]:{port}"


def known_keys(name: str, files: Sequence[Path]) -> list[KnownKey]:
    """Every key that the files hold for `name`. Raises HostError when a file cannot be read."""
    return [known for file in files for known in _read(file, name)]


def check_key(name: str, key: paramiko.PKey, files: Sequence[Path], *, trust_first_use: bool) -> None:
    """Raise HostError unless `key` is trusted for `name`; with `trust_first_use` a host without any key is added to files[0]."""
    known = known_keys(name, files)
    if any(entry.revoked and entry.key == key for entry in known):
        raise HostError(f"{name}: its {_described(key)} is revoked in {files[0]}")
    trusted = [entry for entry in known if not entry.revoked]
    if any(entry.key == key for entry in trusted):
        return
    if trusted:
        raise HostError(_changed(name, key, trusted[0]))
    if not trust_first_use:
        raise HostError(_unknown(name, key, files))
    _remember(name, key, files[0])


def _changed(name: str, key: paramiko.PKey, old: KnownKey) -> str:
    return (
        f"{name}: its host key has changed; it now shows a {_described(key)}, known is {_described(old.key)} "
        f"from {old.file}:{old.line}. Someone may be listening in, or the host was installed anew; "
        f"if you know it was, remove that line: ssh-keygen -R '{name}' -f {old.file}"
    )


def _unknown(name: str, key: paramiko.PKey, files: Sequence[Path]) -> str:
    host, _, port = name.strip("[").partition("]:")
    scan = f"ssh-keyscan {'-p ' + port + ' ' if port else ''}{host}"
    return (
        f"{name}: its host key is unknown: {_described(key)}; not in {', '.join(map(str, files))}. If that is the host's key, "
        f"set SSH_KNOWN_HOSTS to a file that holds it ({scan} >> FILE), "
        "or SSH_TRUST_FIRST_USE: true to add it on the first connection"
    )


def _described(key: paramiko.PKey) -> str:
    return f"{key.get_name()} key {key.fingerprint}"


def _remember(name: str, key: paramiko.PKey, file: Path) -> None:
    """Append the key in one write, so that several connections at a time do not mix their lines."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{name} {key.get_name()} {key.get_base64()}\n"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            unfinished = stream.seek(0, os.SEEK_END) and os.pread(descriptor, 1, stream.tell() - 1) != b"\n"
            stream.write((("\n" if unfinished else "") + line).encode())
    except OSError as error:
        raise HostError(f"{name}: its host key cannot be added to {file}: {error.strerror}; set SSH_KNOWN_HOSTS") from error


def _read(file: Path, name: str) -> Iterator[KnownKey]:
    """The lines of a file that speak of `name`; certificate authorities are not supported and passed over."""
    try:
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    except OSError as error:
        raise HostError(f"{file} cannot be read: {error.strerror}; set SSH_KNOWN_HOSTS to a file of known hosts") from error
    for number, line in enumerate(lines, 1):
        revoked = line.startswith("@revoked ")
        entry = _entry(line.removeprefix("@revoked ").strip(), number)
        if entry is not None and entry.key is not None and _names(entry.hostnames or [], name):
            yield KnownKey(file, number, entry.key, revoked)


def _entry(line: str, number: int) -> paramiko.hostkeys.HostKeyEntry | None:
    if not line or line.startswith(("#", "@")):
        return None
    try:
        return paramiko.hostkeys.HostKeyEntry.from_line(line, number)
    except paramiko.SSHException:
        return None


def _names(patterns: Sequence[str], name: str) -> bool:
    if any(pattern.startswith("!") and fnmatchcase(name, _literal(pattern[1:])) for pattern in patterns):
        return False
    return any(_names_one(pattern, name) for pattern in patterns)


def _names_one(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return bool(paramiko.HostKeys.hash_host(name, pattern) == pattern)
    return fnmatchcase(name, _literal(pattern))


def _literal(pattern: str) -> str:
    """Brackets mean themselves in known_hosts: `[host]:port`."""
    return pattern.replace("[", "[[]")
