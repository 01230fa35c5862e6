"""What a run is going to do, complete before anything starts: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from utils.monitoring.base import INTERVAL
from utils.runtime.masking import Masker


@dataclass(frozen=True)
class HostTarget:
    """One entry of HOSTS and how to reach it. `rank` is its place in HOSTS; `ssh` False means: this machine, directly.

    What it has for itself (HOST_OPTIONS): `data`, by the case's name, and `container_options` and `shm_size`, None where those of
    the run hold. RunPlan.on lays it over the run's own.
    """

    host: str
    rank: int
    ssh: bool
    port: int = 22
    user: str | None = None
    key: str | None = None
    known_hosts: str | None = None
    trust_first_use: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
    container_options: str | None = None
    shm_size: str | None = None


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

    `data_directory` is None for a built-in data set. `config` has each merged key as `{"value": …, "origin": …}`: what is shown
    and checked, and what the guest runs.
    """

    case: str
    framework: str
    vendor: str
    data: str
    data_directory: str | None
    image: ImagePlan
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`<case>:<framework>`, the folder of its results."""
        return f"{self.case}:{self.framework}"

    def with_data(self, data: str, code_path: str, origin: str) -> CasePlan:
        """The case with other data: a directory, below `code_path` where it is relative, or a name that the case has built in."""
        builtin = self.config["builtin_data"]["value"] if "builtin_data" in self.config else ()
        directory = None if data in builtin else str(PurePosixPath(code_path) / data)
        config = {**self.config, "data_dir": {"value": directory or data, "origin": origin}}
        return replace(self, data=directory or data, data_directory=directory, config=config)


@dataclass(frozen=True)
class RunPlan:
    """A whole run. `checkout` is this project's folder here; `code_path` (FLAGPERF_PATH) where the code lies on the hosts;
    `results` the local folder for runs; `log_path` FLAGPERF_LOG_PATH as given, below `code_path` on a remote host.

    `host_config` has every host.yaml key as `{"value": …, "origin": …}` for the report;
    `overrides` is what the command line changed; `remarks` are what a reader should know of the configuration, as (level,
    message) with levels INFO and WARNING; `mask` hides the configuration's secrets in whatever is shown or kept.
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
    monitor_interval: float = INTERVAL
    reconnect_seconds: float = 120.0
    log_calls: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    host_config: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    mask: Masker = field(default_factory=Masker)

    def on(self, host: HostTarget) -> RunPlan:
        """The run as one of its hosts sees it: with that host's own data directories and container options."""
        origin = f"HOST_OPTIONS of {host.host}"
        chosen = [case for case in self.cases if case.name in host.data]
        own = {case.name: case.with_data(host.data[case.name], self.code_path, origin) for case in chosen}
        options = self.container_options if host.container_options is None else host.container_options
        shm_size = self.shm_size if host.shm_size is None else host.shm_size
        return replace(
            self, cases=tuple(own.get(case.name, case) for case in self.cases), container_options=options, shm_size=shm_size
        )
