"""From host.yaml and the command line to a plan: everything that can be known without touching a host, with all complaints."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from tools.config_manager import HOST_KEYS, nearest, parse_setting, resolve
from tools.errors import ConfigError, NoCaseError
from utils.case_names import check_wanted, is_wanted, shared_folders, short_name, split
from utils.host_config import HostConfig, HostOptions, LoadedConfig, load_host_config
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan
from utils.runtime.image_context import check_plan
from utils.runtime.options import idle_options, parse_options
from utils.runtime.prepare import csrc_folder


@dataclass(frozen=True)
class Request:
    """What the command line asks for: host.yaml, the cases and the vendor it narrows to, its `--set KEY=VALUE` pairs."""

    config: Path
    cases: tuple[str, ...] = ()
    vendor: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def overrides(self) -> tuple[str, ...]:
        """The part of the command line that changed something, as typed."""
        vendor = (f"--vendor {self.vendor}",) if self.vendor else ()
        return (*(f"--case {case}" for case in self.cases), *vendor, *(f"--set {setting}" for setting in self.settings))


@dataclass(frozen=True)
class Planned:
    """A plan, and what is wrong with it."""

    plan: RunPlan
    problems: tuple[str, ...]


def plan_run(request: Request, checkout: Path) -> RunPlan:
    """The plan of a run. Raises ConfigError with every problem, a line each; NoCaseError when there is no case."""
    planned = examine(request, checkout)
    if planned.problems:
        raise ConfigError("\n".join(planned.problems))
    return planned.plan


def examine(request: Request, checkout: Path) -> Planned:
    """The plan with its problems. Raises ConfigError only where host.yaml itself cannot be used, NoCaseError without a case."""
    loaded, case_settings = _load(request)
    if not loaded.config.CASES:
        raise NoCaseError(f'{loaded.where("CASES")}: CASES is empty; add a line like \'"digits:pytorch_2.13": "embedded"\'')
    config = loaded.config
    code_path = _code_path(loaded, checkout)
    problems: list[str] = []
    remarks: list[tuple[str, str]] = []
    _check_container_options(loaded, problems, remarks)
    problems += shared_folders(loaded)
    cases = []
    complaints: dict[str, list[str]] = {}
    wanted = {name: data for name, data in config.CASES.items() if is_wanted(name, request.cases)}
    for name, data in wanted.items():
        try:
            cases.append(_case(name, data, loaded, checkout, code_path, case_settings, remarks))
        except ConfigError as error:
            complaints.setdefault(_located(str(error), loaded), []).append(name)
    problems += [_of_cases(message, names, len(wanted)) for message, names in complaints.items()]
    check_wanted(request.cases, loaded)
    visible = config.ACCE_VISIBLE_DEVICE_ENV_NAME
    if visible and visible not in os.environ:
        where = loaded.where("ACCE_VISIBLE_DEVICE_ENV_NAME")
        remarks.append(("WARNING", f"{where}: {visible} is not set here, so guests get none (sudo drops it: sudo {visible}=… )"))
    plan = replace(_run_plan(request, loaded, checkout, code_path, cases), remarks=tuple(remarks))
    return Planned(plan, tuple(dict.fromkeys(problems)))


def plan_without_cases(request: Request, checkout: Path, keys: Collection[str]) -> RunPlan:
    """The plan of a command that runs no case and reads these keys of host.yaml only. Raises ConfigError for what is wrong with
    those, whatever the others say."""
    loaded, _ = _load(request, keys)
    return _run_plan(request, loaded, checkout, _code_path(loaded, checkout), ())


def _check_container_options(loaded: LoadedConfig, problems: list[str], remarks: list[tuple[str, str]]) -> None:
    """ACCE_CONTAINER_OPT and SHM_SIZE as each host has them: problems where they cannot be read, remarks for what is ignored."""
    _check_options_of(loaded.config, loaded.where, "", problems, remarks)
    for host, own in loaded.config.HOST_OPTIONS.items():
        where = partial(loaded.where, "HOST_OPTIONS", host)
        _check_options_of(own, where, f"HOST_OPTIONS['{host}']: ", problems, remarks)


def _check_options_of(
    own: HostConfig | HostOptions, where: Callable[[str], str], owner: str, problems: list[str], remarks: list[tuple[str, str]]
) -> None:
    """Those of all hosts or of one; a complaint has the place of the key that is wrong."""
    place, options = f"{where('ACCE_CONTAINER_OPT')}: {owner}", own.ACCE_CONTAINER_OPT or ""
    try:
        parse_options(options)
        remarks += [
            ("WARNING", f"{place}ACCE_CONTAINER_OPT: {flag} is ignored: {why}") for flag, why in idle_options(options).items()
        ]
    except ConfigError as error:
        problems.append(f"{place}{error}")
    try:
        parse_options("", own.SHM_SIZE)
    except ConfigError as error:
        problems.append(f"{where('SHM_SIZE')}: {owner}{error}")


def _code_path(loaded: LoadedConfig, checkout: Path) -> str:
    return str(PurePosixPath(os.path.normpath(checkout / loaded.config.FLAGPERF_PATH)))


def _load(request: Request, keys: Collection[str] = HOST_KEYS) -> tuple[LoadedConfig, tuple[str, ...]]:
    """host.yaml with its part of the settings (capitals), and the settings that are the cases'; of host.yaml, only `keys`."""
    overrides: dict[str, tuple[Any, str]] = {}
    case_settings = []
    for setting in request.settings:
        key, value = parse_setting(setting)
        if key in HOST_KEYS:
            overrides[key] = (value, "--set")
        elif key.isupper():
            raise ConfigError(f"--set {key}: unknown key of host.yaml{nearest(key, HOST_KEYS)}")
        else:
            case_settings.append(setting)
    if request.vendor:
        overrides["VENDOR"] = (request.vendor, "--vendor")
    return load_host_config(request.config, overrides, keys), tuple(case_settings)


def _located(message: str, loaded: LoadedConfig) -> str:
    """Name the line of host.yaml that a complaint is about, where the complaint names no place itself."""
    if message.startswith(("configs/", "--")):
        return message
    key = {"unknown vendor": "VENDOR", "BUILD_ARGS": "BUILD_ARGS"}.get(re.split(r"[:']", message)[0].strip(), "CASES")
    return f"{loaded.where(key)}: {message}"


def _of_cases(message: str, names: Sequence[str], count: int) -> str:
    """Name the cases that a setting does not suit, where it may suit others of the `count`; other complaints name a line."""
    return f"{', '.join(names)}: {message}" if message.startswith("--set") and len(names) < count else message


def _case(
    name: str,
    data: str,
    loaded: LoadedConfig,
    checkout: Path,
    code_path: str,
    settings: tuple[str, ...],
    remarks: list[tuple[str, str]],
) -> CasePlan:
    case, framework = split(name)
    config = loaded.config
    vendor = config.VENDOR
    _check_folder(checkout / "configs", case, "case")
    _check_folder(checkout / "benchmarks" / case, framework.split("_")[0], f"framework of case {case}", "__init__.py")
    _check_folder(checkout / "docker_images", vendor, "vendor")
    image = ImagePlan(
        vendor,
        framework,
        checkout / "docker_images" / vendor / framework,
        config.IMAGE_SOURCE,
        config.IMAGE_REGISTRY,
        config.BUILD_ARGS,
    )
    if config.RUNTIME == "docker":
        check_plan(image)
    csrc_folder(checkout, vendor)
    context = {"perf_dir": code_path, "data_dir": data, "vendor": vendor, "case": case, "framework": framework.split("_")[0]}
    resolved = resolve(checkout, case, vendor, settings, context)
    remarks.extend((level, f"{name}: {message}") for level, message in resolved.remarks)
    if resolved.values["compiler"] is not None:
        _check_engine(checkout, vendor, resolved.values["compiler"], resolved.origins["compiler"])
    plan = CasePlan(case, framework, vendor, data, None, image, resolved.as_report())
    return plan.with_data(data, code_path, loaded.where("CASES", name))


def _check_folder(parent: Path, name: str, what: str, marker: str = "") -> None:
    if not (parent / name / marker).exists():
        known = (
            sorted(path.name for path in parent.iterdir() if path.is_dir() and (path / marker).exists())
            if parent.is_dir()
            else []
        )
        known = [one for one in known if not one.startswith(("_", "."))]
        raise ConfigError(f"unknown {what} '{name}'{nearest(name, known)}; there is: {', '.join(known) or 'none'}")


def _check_engine(checkout: Path, vendor: str, compiler: str, where: str) -> None:
    folder = checkout / "inference_engine" / vendor
    if not (folder / f"{compiler}.py").exists() and not (folder / compiler / "__init__.py").exists():
        known = sorted(path.stem for path in folder.glob("[!_]*.py"))
        hint = f"{nearest(compiler, known)}; vendor {vendor} has: {', '.join(known) or 'none'}"
        raise ConfigError(f"{where}: compiler '{compiler}': inference_engine/{vendor}/{compiler}.py does not exist{hint}")


def _run_plan(request: Request, loaded: LoadedConfig, checkout: Path, code_path: str, cases: Sequence[CasePlan]) -> RunPlan:
    config, mask = loaded.config, loaded.masker()
    log_path = Path(config.FLAGPERF_LOG_PATH)
    return RunPlan(
        run_id=f"run{dt.datetime.now():%Y%m%d%H%M%S}",  # noqa: DTZ005 - FlagPerf's name has the local time
        config_file=request.config,
        checkout=checkout,
        code_path=code_path,
        results=log_path if log_path.is_absolute() else checkout / log_path,
        log_path=config.FLAGPERF_LOG_PATH,
        vendor=config.VENDOR,
        runtime=config.RUNTIME,
        hosts=tuple(_target(config, host, rank) for rank, host in enumerate(config.HOSTS)),
        cases=tuple(cases),
        log_level=config.FLAGPERF_LOG_LEVEL,
        log_calls=config.LOG_CALL_INFORMATION,
        container_options=config.ACCE_CONTAINER_OPT or "",
        shm_size=config.SHM_SIZE,
        pip_source=config.PIP_SOURCE,
        clear_caches=config.CLEAR_CACHES,
        case_timeout=config.CASE_TIMEOUT,
        monitor_interval=config.MONITOR_INTERVAL,
        reconnect_seconds=config.RECONNECT_SECONDS,
        environment=_environment(config),
        host_config=loaded.as_report(),
        overrides=tuple(map(mask, request.overrides)),
        mask=mask,
    )


def _target(config: HostConfig, host: str, rank: int) -> HostTarget:
    own = config.HOST_OPTIONS.get(host, HostOptions())
    return HostTarget(
        host=host,
        rank=rank,
        ssh=config.needs_ssh(host),
        port=own.SSH_PORT or config.SSH_PORT,
        user=own.SSH_USER or config.SSH_USER,
        key=own.SSH_KEY or config.SSH_KEY,
        known_hosts=config.SSH_KNOWN_HOSTS,
        trust_first_use=config.SSH_TRUST_FIRST_USE,
        data={short_name(name): data for name, data in own.DATA.items()},
        container_options=own.ACCE_CONTAINER_OPT,
        shm_size=own.SHM_SIZE,
    )


def _environment(config: HostConfig) -> dict[str, str]:
    """What every guest of the run gets; RANK is added per host."""
    environment = {
        "MASTER_ADDR": config.HOSTS[0],
        "MASTER_PORT": str(config.MASTER_PORT),
        "WORLD_SIZE": str(len(config.HOSTS)),
        "HOSTS": ",".join(config.HOSTS),
    }
    if config.HOSTS_PORTS:
        environment["HOSTS_PORTS"] = ",".join(map(str, config.HOSTS_PORTS))
    visible = config.ACCE_VISIBLE_DEVICE_ENV_NAME
    if visible:
        environment["ACCE_VISIBLE_DEVICE_ENV_NAME"] = visible
    if visible and visible in os.environ:
        environment[visible] = os.environ[visible]
    return environment
