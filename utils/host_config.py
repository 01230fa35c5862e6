"""host.yaml: every key typed, its complaints with file, line, key and nearest known key."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tools.config_manager import HOST_KEYS, load_yaml, nearest
from tools.errors import ConfigError
from utils.config_text import is_loopback, unusable, user_name, variable_name
from utils.monitoring.base import INTERVAL, LEAST_INTERVAL, MOST_INTERVAL
from utils.runtime.masking import STARS, Masker, is_secret_name, masker

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")  # with what is added, no file system finds it too long
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
REQUIRED = {"VENDOR": "none", "HOSTS": ["localhost"], "CASES": {}}
"""The keys without a default, and what they have in a command that does not read them."""


def _port(value: Any) -> Any:
    """FlagPerf writes ports as strings."""
    return int(value) if isinstance(value, str) and value.strip().isdigit() else value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


def _folder_name(value: str) -> str:
    if not SAFE_NAME.fullmatch(value):
        raise ValueError("must be the name of a folder: up to 100 letters, digits and _ . + -")
    return value


def _host_name(value: str) -> str:
    address, _, zone = value.partition("%")
    try:
        ipaddress.ip_address(address)
        is_one = not zone or SAFE_NAME.fullmatch(zone)
    except ValueError:
        is_one = HOST_NAME.fullmatch(value)
    if not is_one:
        raise ValueError("must be a host name or an IP address")
    return value


Port = Annotated[int, BeforeValidator(_port), Field(ge=1, le=65535)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
FolderName = Annotated[str, AfterValidator(_folder_name)]
HostName = Annotated[str, AfterValidator(_host_name)]
UserName = Annotated[OptionalText, AfterValidator(user_name)]
VariableName = Annotated[OptionalText, AfterValidator(variable_name)]


class HostOptions(BaseModel):
    """What one of HOSTS has for itself: keys of host.yaml, and in DATA its own directories for some of CASES.

    None: as host.yaml says for all; an empty ACCE_CONTAINER_OPT means none for this host.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    SSH_USER: UserName = None
    SSH_PORT: Port | None = None
    SSH_KEY: OptionalText = None
    DATA: dict[str, str] = {}
    ACCE_CONTAINER_OPT: str | None = None
    SHM_SIZE: OptionalText = None


class HostConfig(BaseModel):
    """host.yaml's keys, FlagPerf's first, then ours; the names are the contract's, hence capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    FLAGPERF_PATH: str = "."
    FLAGPERF_LOG_PATH: str = "result"
    VENDOR: FolderName
    FLAGPERF_LOG_LEVEL: Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    LOG_CALL_INFORMATION: bool = False
    HOSTS: list[HostName] = Field(min_length=1)
    SSH_PORT: Port = 22
    HOSTS_PORTS: list[Port] = []
    MASTER_PORT: Port = 29501
    SHM_SIZE: OptionalText = None
    ACCE_CONTAINER_OPT: OptionalText = None
    PIP_SOURCE: OptionalText = None
    CLEAR_CACHES: bool = False
    ACCE_VISIBLE_DEVICE_ENV_NAME: VariableName = None
    CASES: dict[str, str]
    RUNTIME: Literal["docker", "process"] = "docker"
    CONNECTION: Literal["auto", "local", "ssh"] = "auto"
    SSH_USER: UserName = None
    SSH_KEY: OptionalText = None
    SSH_KNOWN_HOSTS: OptionalText = None
    SSH_TRUST_FIRST_USE: bool = False
    IMAGE_SOURCE: Literal["build", "pull", "auto", "copy"] = "auto"
    IMAGE_REGISTRY: OptionalText = None
    BUILD_ARGS: dict[str, str] = {}
    CASE_TIMEOUT: float = Field(default=86400.0, gt=0, le=1e8)  # more, or no end, no thread can wait
    MONITOR_INTERVAL: float = Field(default=INTERVAL, ge=LEAST_INTERVAL, le=MOST_INTERVAL)
    RECONNECT_SECONDS: float = Field(default=120.0, ge=0, le=86400)
    HOST_OPTIONS: dict[HostName, HostOptions] = {}

    def needs_ssh(self, host: str) -> bool:
        """Whether one of HOSTS is reached over SSH; the others are this machine."""
        return self.CONNECTION == "ssh" or (self.CONNECTION == "auto" and not is_loopback(host))


@dataclass(frozen=True)
class LoadedConfig:
    """A host.yaml with the command line's overrides laid over it. `where(key)` says where a value came from; `inner` has the
    lines of the keys below one, by the path to them."""

    path: Path
    config: HostConfig
    origins: Mapping[str, str]
    inner: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def where(self, key: str, *inner: str) -> str:
        """`file:line` (of the key below it, where its line is known), `--set`, `--vendor` or `default`."""
        return self.inner.get((key, *inner), self.origins.get(key, "default"))

    def as_report(self) -> dict[str, Any]:
        """Each key as `{"value": …, "origin": …}`, one of a host's options as `HOST_OPTIONS[host].key`; secrets are masked."""
        mask = self.masker()
        values: dict[str, Any] = self.config.model_dump(exclude={"HOST_OPTIONS"})
        arguments: dict[str, str] = values["BUILD_ARGS"]
        values["BUILD_ARGS"] = {name: STARS if is_secret_name(name) else value for name, value in arguments.items()}
        report = {key: {"value": mask.everywhere(value), "origin": self.where(key)} for key, value in values.items()}
        for host, options in self.config.HOST_OPTIONS.items():
            for key, value in options.model_dump(exclude_unset=True).items():
                origin = self.where("HOST_OPTIONS", host, key)
                report[f"HOST_OPTIONS[{host}].{key}"] = {"value": mask.everywhere(value), "origin": origin}
        return report

    def masker(self) -> Masker:
        """What hides this configuration's secrets."""
        config = self.config
        options = (config.ACCE_CONTAINER_OPT, *(own.ACCE_CONTAINER_OPT for own in config.HOST_OPTIONS.values()))
        return masker((config.PIP_SOURCE, config.IMAGE_REGISTRY), options, config.BUILD_ARGS)


def load_host_config(
    path: Path, overrides: Mapping[str, tuple[Any, str]] | None = None, keys: Collection[str] = HOST_KEYS
) -> LoadedConfig:
    """Read host.yaml; `overrides` has for each key (value, origin), stronger than the file. Where only some `keys` are read, the
    others have their defaults, whatever the file says.

    Raises ConfigError with every complaint about what is read, a line each.
    """
    file = load_yaml(path)
    values = {key: value for key, value in file.values.items() if value is not None or key in REQUIRED}
    origins = {key: file.where(key) for key in file.values}
    inner = {path: f"{file.name}:{line}" for path, line in file.inner.items() if path[0] not in (overrides or {})}
    for key, (value, origin) in (overrides or {}).items():
        values[key], origins[key] = value, origin
    if keys is not HOST_KEYS:
        values = {**{key: value for key, value in REQUIRED.items() if key not in keys}, **_read(values, keys)}
    unknown = [f"{origins[key]}: unknown key '{key}'{nearest(key, HOST_KEYS)}" for key in values if key not in HOST_KEYS]
    if unknown:
        raise ConfigError("\n".join(unknown))
    if bad := [f"{origins[key]}: {complaint}" for key, value in values.items() for complaint in unusable(value, key)]:
        raise ConfigError("\n".join(bad))
    if "CASES" in values and values["CASES"] is None:
        values["CASES"] = {}
    if isinstance(values.get("FLAGPERF_LOG_LEVEL"), str):
        values["FLAGPERF_LOG_LEVEL"] = values["FLAGPERF_LOG_LEVEL"].upper()
    try:
        config = HostConfig.model_validate(values)
    except ValidationError as error:
        places: dict[tuple[str, ...], str] = {**{(key,): origin for key, origin in origins.items()}, **inner}
        complaints = [_complaint(one, path, places) for one in error.errors(include_url=False)]
        raise ConfigError("\n".join(complaints)) from error
    loaded = LoadedConfig(path, config, origins, inner)
    _check_together(config, origins)
    if "CASES" in keys:
        _check_options(loaded)
    return loaded


def _read(values: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """The values of `keys`, and of what may be one of them misspelt; of a host's own options, those of the same names."""

    def read(known: Mapping[Any, Any]) -> dict[Any, Any]:
        unknown = {key for key in known if str(key) not in HOST_KEYS and nearest(str(key), keys)}
        return {key: value for key, value in known.items() if key in keys or key in unknown}

    kept = read(values)
    if isinstance(kept.get("HOST_OPTIONS"), Mapping):
        options = kept["HOST_OPTIONS"].items()
        kept["HOST_OPTIONS"] = {host: read(own) if isinstance(own, Mapping) else own for host, own in options}
    return kept


def _complaint(error: Mapping[str, Any], path: Path, origins: Mapping[tuple[str, ...], str]) -> str:
    location = [str(part) for part in error["loc"] if part != "[key]"]
    key = location[0]
    if error["type"] == "missing":
        return f"{path}: key '{key}' is missing"
    known = (tuple(location[:length]) for length in range(len(location), 0, -1))
    where = next((origins[one] for one in known if one in origins), path)
    if error["type"] == "extra_forbidden":
        return f"{where}: {_path(location[:-1])}: unknown key '{location[-1]}'{nearest(location[-1], HostOptions.model_fields)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = STARS if is_secret_name(location[-1]) and location[-1] != "SSH_KEY" else Masker()(repr(error["input"]))
    return f"{where}: {_path(error['loc'])} is {given}: {message[:1].lower()}{message[1:]}"


def _path(location: Sequence[Any]) -> str:
    """`HOST_OPTIONS['node2']['SSH_PORT']`."""
    return str(location[0]) + "".join(f"[{part!r}]" for part in location[1:] if part != "[key]")


def _check_options(loaded: LoadedConfig) -> None:
    """Raises ConfigError for a host that is not in HOSTS, or data of a case that is not in CASES: it would never be used."""
    config, complaints = loaded.config, []
    for host, options in config.HOST_OPTIONS.items():
        if host not in config.HOSTS:
            where = loaded.where("HOST_OPTIONS", host)
            complaints.append(f"{where}: HOST_OPTIONS: '{host}' is not in HOSTS{nearest(host, config.HOSTS)}")
        for case in options.DATA.keys() - config.CASES.keys():
            where = loaded.where("HOST_OPTIONS", host, "DATA", case)
            complaints.append(f"{where}: HOST_OPTIONS['{host}']['DATA']: '{case}' is not in CASES{nearest(case, config.CASES)}")
    if complaints:
        raise ConfigError("\n".join(complaints))


def _check_together(config: HostConfig, origins: Mapping[str, str]) -> None:
    twice = [host for host, times in Counter(config.HOSTS).items() if times > 1]
    if twice:
        raise ConfigError(f"{origins['HOSTS']}: HOSTS names a host twice: {', '.join(twice)}; name it once")
    here = [host for host in config.HOSTS if not config.needs_ssh(host)]
    if len(here) > 1:
        why = "CONNECTION is local" if config.CONNECTION == "local" else "none of them is reached over SSH"
        raise ConfigError(
            f"{origins['HOSTS']}: HOSTS names this machine more than once: {', '.join(here)} ({why}); keep one of "
            "them, as cases that run on one machine at the same time disturb each other"
        )
    if len(config.HOSTS_PORTS) not in (0, 1, len(config.HOSTS)):
        raise ConfigError(f"{origins['HOSTS_PORTS']}: HOSTS_PORTS needs one port, or one for each of HOSTS")
    for key in ("FLAGPERF_PATH", "FLAGPERF_LOG_PATH"):
        if getattr(config, key).startswith("~"):
            raise ConfigError(f"{origins[key]}: {key}: '~' means another folder on each host; write the path in full")
    if config.IMAGE_SOURCE == "pull" and config.IMAGE_REGISTRY is None:
        raise ConfigError(f"{origins['IMAGE_SOURCE']}: IMAGE_SOURCE pull needs IMAGE_REGISTRY")
