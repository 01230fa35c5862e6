"""host.yaml: every key typed, its complaints with file, line, key and nearest known key."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tools.config_manager import HOST_KEYS, load_yaml, nearest
from tools.errors import ConfigError, NoCaseError
from utils.runtime.masking import masked

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def _port(value: Any) -> Any:
    """FlagPerf writes ports as strings."""
    return int(value) if isinstance(value, str) and value.strip().isdigit() else value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


def _folder_name(value: str) -> str:
    if not SAFE_NAME.fullmatch(value):
        raise ValueError("must be the name of a folder: letters, digits and _ . + - only")
    return value


def _host_name(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError as error:
        if not HOST_NAME.fullmatch(value):
            raise ValueError("must be a host name or an IP address") from error
    return value


Port = Annotated[int, BeforeValidator(_port), Field(ge=1, le=65535)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
FolderName = Annotated[str, AfterValidator(_folder_name)]
HostName = Annotated[str, AfterValidator(_host_name)]


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
    ACCE_VISIBLE_DEVICE_ENV_NAME: OptionalText = None
    CASES: dict[str, str]
    RUNTIME: Literal["docker", "process"] = "docker"
    CONNECTION: Literal["auto", "local", "ssh"] = "auto"
    SSH_USER: OptionalText = None
    SSH_KEY: OptionalText = None
    SSH_KNOWN_HOSTS: OptionalText = None
    SSH_TRUST_FIRST_USE: bool = False
    IMAGE_SOURCE: Literal["build", "pull", "auto"] = "auto"
    IMAGE_REGISTRY: OptionalText = None
    BUILD_ARGS: dict[str, str] = {}
    CASE_TIMEOUT: float = Field(default=86400.0, gt=0)
    MONITOR_INTERVAL: float = Field(default=0.5, ge=0.05, le=3600)


@dataclass(frozen=True)
class LoadedConfig:
    """A host.yaml with the command line's overrides laid over it. `where(key)` says where a value came from."""

    path: Path
    config: HostConfig
    origins: Mapping[str, str]

    def where(self, key: str) -> str:
        """`file:line`, `--set`, `--vendor` or `default`."""
        return self.origins.get(key, "default")

    def as_report(self) -> dict[str, Any]:
        """Each key as `{"value": …, "origin": …}`; a password in a URL is masked."""
        values = self.config.model_dump()
        return {key: {"value": _shown(value), "origin": self.where(key)} for key, value in values.items()}


def load_host_config(path: Path, overrides: Mapping[str, tuple[Any, str]] | None = None) -> LoadedConfig:
    """Read host.yaml; `overrides` has for each key (value, origin), stronger than the file.

    Raises ConfigError with every complaint about the file, a line each; NoCaseError when CASES is empty.
    """
    file = load_yaml(path)
    values = {key: value for key, value in file.values.items() if value is not None or key in {"CASES", "HOSTS", "VENDOR"}}
    origins = {key: file.where(key) for key in file.values}
    for key, (value, origin) in (overrides or {}).items():
        values[key], origins[key] = value, origin
    unknown = [f"{origins[key]}: unknown key '{key}'{nearest(key, HOST_KEYS)}" for key in values if key not in HOST_KEYS]
    if unknown:
        raise ConfigError("\n".join(unknown))
    if values.get("CASES", 0) in (None, {}):
        raise NoCaseError(f'{origins["CASES"]}: CASES is empty; add a line like \'"digits:pytorch_2.13": "embedded"\'')
    if isinstance(values.get("FLAGPERF_LOG_LEVEL"), str):
        values["FLAGPERF_LOG_LEVEL"] = values["FLAGPERF_LOG_LEVEL"].upper()
    try:
        config = HostConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_complaint(one, path, origins) for one in error.errors(include_url=False))) from error
    _check_together(config, origins)
    return LoadedConfig(path, config, origins)


def _complaint(error: Mapping[str, Any], path: Path, origins: Mapping[str, str]) -> str:
    location: Sequence[Any] = error["loc"]
    key = str(location[0])
    if error["type"] == "missing":
        return f"{path}: key '{key}' is missing"
    inner = "".join(f"[{part!r}]" for part in location[1:])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{origins.get(key, path)}: {key}{inner} is {error['input']!r}: {message[:1].lower()}{message[1:]}"


def _check_together(config: HostConfig, origins: Mapping[str, str]) -> None:
    if len(set(config.HOSTS)) != len(config.HOSTS):
        raise ConfigError(f"{origins['HOSTS']}: HOSTS names a host twice")
    if len(config.HOSTS_PORTS) not in (0, 1, len(config.HOSTS)):
        raise ConfigError(f"{origins['HOSTS_PORTS']}: HOSTS_PORTS needs one port, or one for each of HOSTS")
    for key in ("FLAGPERF_PATH", "FLAGPERF_LOG_PATH"):
        if getattr(config, key).startswith("~"):
            raise ConfigError(f"{origins[key]}: {key}: '~' means another folder on each host; write the path in full")
    if config.IMAGE_SOURCE == "pull" and config.IMAGE_REGISTRY is None:
        raise ConfigError(f"{origins['IMAGE_SOURCE']}: IMAGE_SOURCE pull needs IMAGE_REGISTRY")


def _shown(value: Any) -> Any:
    """A report is shown around: no password in it."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    return masked(value) if isinstance(value, str) else value
