"""Which host keys are trusted: OpenSSH's known_hosts files, read line by line so that a message can name one.

What is a line, and whose, is as in sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, and as OpenSSH's own client takes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import HostError

if TYPE_CHECKING:
    import paramiko

BLANKS = " \t"
REVOKED, AUTHORITY = "@revoked", "@cert-authority"
KRL = b"SSHKRL\n"
"""What a binary list of revoked keys begins with. Source: OpenSSH's PROTOCOL.krl"""


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file that speaks of a host; `blob` is the key as SSH sends it, `marker` empty for a plain one."""

    file: Path
    line: int
    kind: str
    blob: bytes
    marker: str = ""

    def __str__(self) -> str:
        return described(self.kind, self.blob)


@dataclass(frozen=True)
class HostName:
    """The names under which known_hosts may list a host; `alias` (HostKeyAlias) stands for host and port."""

    host: str
    port: int
    alias: str | None = None

    @property
    def listed(self) -> str:
        """The name for a new line: `host`, or `[host]:port` where the port is not 22."""
        return self.alias or (self.host if self.port == 22 else f"[{self.host}]:{self.port}")

    @property
    def without_port(self) -> str | None:
        """A second name, whose keys hold for any port; None where `listed` is that."""
        return None if self.alias or self.port == 22 else self.host


@dataclass(frozen=True)
class KnownHosts:
    """What the files say of one host; `new` is the file for a key that is added, None where none is kept."""

    name: HostName
    files: tuple[Path, ...]
    new: Path | None
    revoked: Path | None = None
    """A file of keys that no host may have (RevokedHostKeys)."""

    def kinds(self) -> set[str]:
        """The kinds of key that are known."""
        own, other = ({entry.kind for entry in self._entries(name) if not entry.marker} for name in self._names())
        return own or other

    def check(self, key: paramiko.PKey, *, trust_first_use: bool) -> None:
        """Raise HostError unless `key` is trusted; with `trust_first_use` it is added for a host without any.

        A key that is listed without the port holds for each port, but another one there is no reason to mistrust this.
        """
        shown = KnownKey(Path(), 0, key.get_name(), key.asbytes())
        own, other = map(self._entries, self._names())
        same = [entry for entry in own + other if entry.blob == shown.blob]
        revoked = [entry for entry in same if entry.marker == REVOKED]
        revoked += [entry for entry in _revoked(self.revoked) if entry.blob == shown.blob]
        if revoked:
            raise HostError(f"{self.name.listed}: its {shown} is revoked in {revoked[0].file}:{revoked[0].line}")
        if any(not entry.marker for entry in same):
            return
        trusted = [entry for entry in own if not entry.marker]
        if trusted:
            raise HostError(self._changed(shown, trusted[0]))
        if not trust_first_use:
            raise HostError(self._unknown(shown, [entry for entry in own + other if entry.marker == AUTHORITY]))
        if self.new is not None:
            _remember(self.name.listed, shown, self.new)

    def _names(self) -> tuple[str, str | None]:
        return self.name.listed, self.name.without_port

    def _entries(self, name: str | None) -> list[KnownKey]:
        return [] if name is None else known_keys(name, self.files)

    def _changed(self, shown: KnownKey, old: KnownKey) -> str:
        name = self.name.listed
        return (
            f"{name}: its host key has changed; it now shows a {shown}, known is {old} "
            f"from {old.file}:{old.line}. Someone may be listening in, or the host was installed anew; "
            f"if you know it was, remove that line: ssh-keygen -R '{name}' -f {old.file}"
        )

    def _unknown(self, shown: KnownKey, authorities: Sequence[KnownKey]) -> str:
        port = f"-p {self.name.port} " if self.name.port != 22 else ""
        scan = f"ssh-keyscan {port}{self.name.host}"
        certified = "".join(f" (an authority's key, {one.file}:{one.line}, cannot be used here)" for one in authorities[:1])
        return (
            f"{self.name.listed}: its host key is unknown: {shown}; not in {', '.join(map(_shown, self.files))}{certified}. "
            f"If that is the host's key, set SSH_KNOWN_HOSTS to a file that holds it ({scan} >> FILE), "
            "or SSH_TRUST_FIRST_USE: true to add it on the first connection"
        )


def known_keys(name: str, files: Sequence[Path]) -> list[KnownKey]:
    """Every key that the files hold for `name`. One that cannot be read holds none, as for OpenSSH's client."""
    return [known for file in files for known in _read(file, name.lower())]


def described(kind: str, blob: bytes) -> str:
    """A key as `ssh-keygen -l` shows it: its kind and fingerprint."""
    return f"{kind} key SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def _remember(name: str, key: KnownKey, file: Path) -> None:
    """Append the key in one write, so that several connections at a time do not mix their lines."""
    line = f"{name} {key.kind} {base64.b64encode(key.blob).decode()}\n"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            unfinished = stream.seek(0, os.SEEK_END) and os.pread(descriptor, 1, stream.tell() - 1) != b"\n"
            stream.write((("\n" if unfinished else "") + line).encode())
    except OSError as error:
        raise HostError(f"{name}: its host key cannot be added to {file}: {error.strerror}; set SSH_KNOWN_HOSTS") from error


def _read(file: Path, name: str) -> Iterator[KnownKey]:
    """The lines of a file that speak of `name`, in lower case; one that is no line of known_hosts says nothing."""
    content, _ = _content(file)
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        marker, names, kind, text = _fields(line)
        blob = _decoded(text)
        if marker in ("", REVOKED, AUTHORITY) and _kind(blob) == kind and _names(names.split(","), name):
            yield KnownKey(file, number, kind, blob, marker)


def _content(file: Path) -> tuple[bytes, str]:
    """What is in a file, and why it cannot be read; a file that is not there is empty."""
    try:
        return file.read_bytes(), ""
    except FileNotFoundError:
        return b"", ""
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"


def _shown(file: Path) -> str:
    _, trouble = _content(file)
    return f"{file} ({trouble})" if trouble else str(file)


def _revoked(file: Path | None) -> Iterator[KnownKey]:
    """The keys of a RevokedHostKeys file, a public key a line. Raises HostError for one that cannot be read, with which OpenSSH
    takes every key for revoked, and for the binary form."""
    if file is None:
        return
    try:
        content = file.read_bytes()
    except OSError as error:
        raise HostError(f"RevokedHostKeys {file} cannot be read: {error.strerror}; mend ~/.ssh/config") from error
    if content.startswith(KRL):
        raise HostError(f"RevokedHostKeys {file}: only a text file, a public key a line, can be read here, and not a binary list")
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        kind, _, rest = line.strip().partition(" ")
        blob = _decoded(rest.split(" ")[0])
        if _kind(blob) == kind:
            yield KnownKey(file, number, kind, blob, REVOKED)


def _fields(line: str) -> tuple[str, str, str, str]:
    """Marker, names, kind of key, key; whatever follows is a comment. All are empty for a line that has not enough."""
    words = line.strip(BLANKS + "\r").replace("\t", " ").split(" ")
    words = [word for word in words if word]
    if not words or words[0].startswith("#"):
        return "", "", "", ""
    marker = words.pop(0) if words[0].startswith("@") else ""
    return (marker, words[0], words[1], words[2]) if len(words) >= 3 else ("", "", "", "")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _kind(blob: bytes) -> str | None:
    """The kind that a key itself begins with: a length and a name (RFC 4253, 6.6)."""
    length = struct.unpack(">I", blob[:4])[0] if len(blob) > 4 else 0
    return blob[4 : 4 + length].decode(errors="replace") if 0 < length <= len(blob) - 4 else None


def _names(patterns: Sequence[str], name: str) -> bool:
    if any(pattern.startswith("!") and _matches(pattern[1:], name) for pattern in patterns):
        return False
    return any(_names_one(pattern, name) for pattern in patterns)


def _names_one(pattern: str, name: str) -> bool:
    return _hashed(pattern, name) if pattern.startswith("|1|") else _matches(pattern, name)


def _hashed(pattern: str, name: str) -> bool:
    """`|1|salt|hash`, both base64; the hash is HMAC-SHA1 of the name with the salt as its key."""
    salt, _, hashed = pattern.removeprefix("|1|").partition("|")
    return hmac.compare_digest(hmac.digest(_decoded(salt), name.encode(), "sha1"), _decoded(hashed))


def _matches(pattern: str, name: str) -> bool:
    """Case does not count; brackets mean themselves: `[host]:port`."""
    return fnmatchcase(name, pattern.lower().replace("[", "[[]"))
