"""What a run is going to do, complete before anything starts: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class HostTarget:
    """One entry of HOSTS and how to reach it. `rank` is its place in HOSTS; `ssh` False means: this machine, directly."""

    host: str
    rank: int
    ssh: bool
    port: int = 22
    user: str | None = None
    key: str | None = None
    known_hosts: str | None = None
    trust_first_use: bool = False


@dataclass(frozen=True)
class ImagePlan:
    """The image of one vendor's framework. `folder` is docker_images/<vendor>/<framework>."""

    vendor: str
    framework: str
    folder: Path
    source: str = "auto"
    registry: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CasePlan:
    """One case of a run. `framework` is the full name (`pytorch_2.13`); `data` a directory or a built-in name of the case's.

    `data_directory` is None for a built-in data set. `settings` are the command line's `--set` pairs for the guest as typed;
    `config` has each merged key as `{"value": …, "origin": …}`.
    """

    case: str
    framework: str
    vendor: str
    data: str
    data_directory: str | None
    image: ImagePlan
    settings: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`<case>:<framework>`, the folder of its results."""
        return f"{self.case}:{self.framework}"


@dataclass(frozen=True)
class RunPlan:
    """A whole run. `checkout` is this project's folder here; `code_path` (FLAGPERF_PATH) where the code lies on the hosts;
    `results` the local folder for runs; `log_path` FLAGPERF_LOG_PATH as given, below `code_path` on a remote host.

    `host_config` has every host.yaml key as `{"value": …, "origin": …}` for the report;
    `overrides` is what the command line changed.
    """

    run_id: str
    config_file: Path
    checkout: Path
    code_path: str
    results: Path
    log_path: str
    vendor: str
    runtime: str
    hosts: tuple[HostTarget, ...]
    cases: tuple[CasePlan, ...]
    log_level: str = "INFO"
    container_options: str = ""
    shm_size: str | None = None
    pip_source: str | None = None
    clear_caches: bool = False
    case_timeout: float = 24 * 3600.0
    monitor_interval: float = 0.5
    log_calls: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    host_config: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
