"""What ~/.ssh/config says of a host: as OpenSSH's client tells it (`ssh -G`), or where there is none, as paramiko reads it."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import paramiko
from loguru import logger

from tools.errors import ConfigError
from utils.connection.base import without_password
from utils.connection.ssh_file_list import FILE_LISTS, told_files, written_files
from utils.plan import HostTarget

Settings = Mapping[str, tuple[str, ...]]
"""By keyword in lower case, as it was written: with `none`, `~` and `%h`."""

ASK_SECONDS = 20.0
WHOLE_LINE = ("proxycommand", "localcommand", "remotecommand", "knownhostscommand", "match")
"""Keywords whose value is the whole rest of the line, `#` included."""


def settings(target: HostTarget) -> Settings:
    """The settings of a host; its port and user of host.yaml come first. Raises ConfigError for a file that cannot be used."""
    client = shutil.which("ssh") if _passwd_home() else None
    told = _asked(client, target) if client else None
    return _read(target) if told is None else told


def config_options() -> tuple[str, ...]:
    """How OpenSSH's client is led to the same file as we: it goes by passwd(5), not by $HOME, for where `~` is."""
    if Path.home() == _passwd_home():
        return ()
    file = Path("~/.ssh/config").expanduser()
    return ("-F", str(file) if is_file(file) else "none")


def at_home(path: str) -> Path:
    """A path that OpenSSH's client named, with `~` where we have it."""
    theirs = f"{_passwd_home() or Path.home()}/.ssh/"
    return Path(f"~/.ssh/{path.removeprefix(theirs)}" if path.startswith(theirs) else path).expanduser()


def is_file(path: Path) -> bool:
    """A home that is closed to this user, as another's is, has no files for them; OpenSSH's client sees it so too."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def _passwd_home() -> Path | None:
    """None for a user that passwd(5) does not know, for whom OpenSSH's client does nothing."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _asked(client: str, target: HostTarget) -> Settings | None:
    """What OpenSSH's client would do, Include, Match (`exec` runs, as with ssh itself) and /etc/ssh/ssh_config included.

    None for a client that cannot be asked.
    """
    port = ("-p", str(target.port)) if target.port != 22 else ()
    user = ("-l", target.user) if target.user else ()
    status, answer, complaint = _output((client, "-G", *config_options(), *port, *user, "--", target.host))
    if "usage:" in complaint.lower():
        return None
    if status != 0:
        why = "; ".join(complaint.strip().splitlines()) or f"exit {status}"
        raise ConfigError(f"ssh -G {target.host}: {why}; mend ~/.ssh/config, so that `ssh {target.host}` works")
    pairs = [line.partition(" ") for line in answer.split("\n")]
    unused = "userknownhostsfile" if target.known_hosts else None
    return _settings((key, value) for key, _, text in pairs if key != unused for value in _told(key, text))


def _told(key: str, text: str) -> list[str]:
    homes = {str(home) for home in (Path.home(), _passwd_home()) if home}
    return told_files(text, homes, lambda name: os.access(at_home(name), os.F_OK)) if key in FILE_LISTS else [text]


def _output(argv: Sequence[str]) -> tuple[int, str, str]:
    """A command's status, stdout and stderr. Raises ConfigError when it hangs; it is ended then, with all that it started."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=without_password(), start_new_session=True
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=ASK_SECONDS)
        except BaseException as error:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ConfigError(
                    f"{shlex.join(argv)} did not end within {ASK_SECONDS:g} s; does a `Match exec` of ~/.ssh/config hang?"
                ) from error
            raise
    return process.returncode, os.fsdecode(stdout), stderr.decode(errors="replace")


def _settings(pairs: Iterable[tuple[str, str | None]]) -> Settings:
    found: dict[str, tuple[str, ...]] = {}
    for key, value in pairs:
        if value:
            found[key] = (*found.get(key, ()), value)
    return found


class _Unexpanded(paramiko.SSHConfig):
    """With the `%h` of these left to whoever reads the settings."""

    TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012 - as the class above has it
        key: tokens
        for key, tokens in paramiko.SSHConfig.TOKENS_BY_CONFIG_KEY.items()
        if key not in ("identityfile", "proxycommand")
    }


def _read(target: HostTarget) -> Settings:
    """The same by paramiko, which knows no Include. The first value counts, so the target's own stand first."""
    file = Path("~/.ssh/config").expanduser()
    port = f"Port {target.port}\n" if target.port != 22 else ""
    user = f"User {target.user}\n" if target.user else ""
    try:
        lines = [_without_comment(line) for line in (os.fsdecode(file.read_bytes()).splitlines() if is_file(file) else [])]
        text = "\n".join(_with_separate_files(line) for line in lines)
        options = _Unexpanded.from_text(f"Host *\n{port}{user}{text}\n").lookup(target.host)
        if not str(options.get("port", "22")).isdecimal():
            raise ConfigError(f"{file}: Port {options['port']} of {target.host} is not a number")
    except (paramiko.SSHException, OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if any(_keyword(line) == "include" for line in lines):
        logger.warning("{}: Include is not read where OpenSSH's client (ssh) is not installed", file)
    keys = [("identityfile", str(name)) for name in options.pop("identityfile", [])]
    files = [(key, file) for key in FILE_LISTS for file in str(options.pop(key, "")).split("\0")]
    return _settings([*options.items(), *keys, *files])


def _keyword(line: str) -> str:
    return re.split(r"[\s=]", line.strip(), maxsplit=1)[0].lower()


def _with_separate_files(line: str) -> str:
    """A line with a NUL between the files it names instead of blanks and quotes, of which paramiko takes the outer ones off."""
    key = _keyword(line)
    if key not in FILE_LISTS:
        return line
    _, _, text = (*re.split(r"(\s*=\s*|\s+)", line.strip(), maxsplit=1), "", "")[:3]
    return f"{key} " + "\0".join(written_files(text))


def _without_comment(line: str) -> str:
    """A line without what follows a `#` that begins a word outside of quotes, as OpenSSH's client reads it."""
    if _keyword(line) in WHOLE_LINE:
        return line
    quoted = False
    for place, character in enumerate(line):
        quoted ^= character == '"'
        if character == "#" and not quoted and (place == 0 or line[place - 1] in " \t"):
            return line[:place].rstrip()
    return line
