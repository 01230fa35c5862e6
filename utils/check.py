"""Looks before anything starts: what would happen on each host, what is missing there, and what to do about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tools.errors import AccelmarkError, ConfigError, HostError
from utils.connection import connect
from utils.connection.base import INSTALL_PYTHON, LEAST_PYTHON
from utils.connection.sync import HOLDS_ELSE, code_files, copies_code
from utils.guest_command import results_root
from utils.needs import needs, packages
from utils.probe import ask
from utils.runtime.options import parse_options
from utils.shared_memory import too_small

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan
    from utils.planning import Planned

OK, NOTE, PROBLEM = "ok", "note", "problem"
STYLES = {OK: "green", NOTE: "yellow", PROBLEM: "bold red"}
ROOM_BYTES, LEAST_BYTES = 5e9, 1e8
"""An image with torch and an engine takes some 2 GB, building it twice that. A model as ONNX and compiled takes 200 MB."""

SHIM = re.compile("[./]")
"""In the name of a containerd shim, which an engine takes although it is not configured (io.containerd.kata.v2)."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `level` is ok, note or problem; a problem's message says what to do."""

    level: str
    where: str
    message: str
    exit_code: int = 1


def check(planned: Planned) -> list[Finding]:
    """Everything there is to say about a plan; hosts are asked at the same time, and nothing is changed on them."""
    plan = planned.plan
    findings = [Finding(PROBLEM, "config", problem, ConfigError.exit_code) for problem in planned.problems]
    findings += [Finding(NOTE, "config", message) for level, message in plan.remarks if level == "WARNING"]
    if not planned.problems:
        names = ", ".join(case.name for case in plan.cases)
        findings.append(Finding(OK, "config", f"{plan.config_file}: {len(plan.cases)} case(s): {names}; vendor {plan.vendor}"))
        findings += [Finding(OK, case.name, _case_words(case)) for case in plan.cases]
    if all(host.ssh for host in plan.hosts):
        findings += _check_results_here(plan.results)
    with ThreadPoolExecutor(max_workers=len(plan.hosts)) as pool:
        for found in pool.map(lambda host: list(_check_host(plan, host)), plan.hosts):
            findings += found
    return findings


def _check_results_here(results: Path) -> Iterator[Finding]:
    """Whether results can be kept on this machine, which is none of the hosts."""
    there = next(path for path in (results, *results.parents) if os.path.exists(path))  # noqa: PTH110 - Path's may raise
    if not there.is_dir():
        yield _blocked("config", "FLAGPERF_LOG_PATH", str(results), str(there))


def exit_code(findings: list[Finding]) -> int:
    """0 without a problem; 2 when the configuration has one, 3 when a host does, else 1."""
    codes = {finding.exit_code for finding in findings if finding.level == PROBLEM}
    return next((code for code in (ConfigError.exit_code, HostError.exit_code, 1) if code in codes), 0)


def print_findings(findings: list[Finding], console: Console) -> None:
    """A line each, problems last as they are what the user must act on."""
    for finding in sorted(findings, key=lambda one: one.level == PROBLEM):
        head = Text(f"{finding.level:>8} ", STYLES[finding.level])
        console.print(head + Text(f"{finding.where}: ", "dim") + Text(finding.message), soft_wrap=True)
    count = sum(finding.level == PROBLEM for finding in findings)
    if count:
        console.print(Text(f"\n{count} problem(s); nothing was started", "bold red"))
    else:
        console.print(Text("\nready: nothing is missing", "bold green"))


def _case_words(case: CasePlan) -> str:
    value = {key: entry["value"] for key, entry in case.config.items()}
    engine = f"engine {value['compiler']}" if value["compiler"] else "no engine (compiler is null)"
    skipped = [key for key in ("no_validation", "exist_onnx_path", "exist_compiler_path") if value[key]]
    return f"data {case.data}, {engine}, {value['precision']}, batch {value['batch_size']}" + "".join(
        f", {key}" for key in skipped
    )


def _check_host(plan: RunPlan, host: HostTarget) -> Iterator[Finding]:
    plan = plan.on(host)
    try:
        with connect(host) as connection:
            how = f"SSH, port {host.port}" if host.ssh else "this machine, directly"
            yield Finding(OK, host.host, f"reached ({how}); cases run as {plan.runtime}")
            yield from _check_machine(plan, connection)
            for lack in too_small(plan, connection):
                yield Finding(NOTE, host.host, lack)
            if plan.runtime == "docker":
                yield from _check_docker(plan, connection)
    except AccelmarkError as error:
        yield Finding(PROBLEM, host.host, str(error), error.exit_code)


def _check_machine(plan: RunPlan, connection: Connection) -> Iterator[Finding]:
    needed = [need for case in plan.cases for need in needs(plan, case)]
    wanted = list(dict.fromkeys(one for case in plan.cases for one in packages(plan, case)))
    written = _written(plan, connection)
    copied = copies_code(connection, plan.checkout, plan.code_path)
    answer = ask(
        connection,
        needs={need.path: need.is_folder for need in needed},
        room=list(written),
        code=[plan.code_path] if copied else [],
        modules=sorted({name for one in wanted for name in one.modules}),
    )
    yield _python(connection.host, answer["python"])
    travels = {str(PurePosixPath(plan.code_path, name)) for name in code_files(plan.checkout)} if copied and needed else set()
    for need in needed:
        if answer["there"][need.path] or need.path in travels:
            yield Finding(OK, connection.host, need.title)
        else:
            yield Finding(PROBLEM, connection.host, need.complaint, ConfigError.exit_code)
    for path in answer["foreign"]:
        yield Finding(PROBLEM, connection.host, f"FLAGPERF_PATH {path} {HOLDS_ELSE}", ConfigError.exit_code)
    for path, free in answer["room"].items():
        if path in answer["blocked"]:
            yield _blocked(connection.host, written[path], path, answer["blocked"][path])
            continue
        if not answer["writable"][path]:
            yield Finding(
                PROBLEM, connection.host, f"{path} cannot be written; choose another FLAGPERF_PATH or FLAGPERF_LOG_PATH"
            )
        yield _room(connection.host, path, free, "free some, or choose another folder")
    for one in wanted:
        missing = [name for name in one.modules if name in answer["missing"]]
        if missing:
            yield Finding(PROBLEM, connection.host, f"{connection.python} has no {one.complaint(missing)}")
    if plan.clear_caches and not answer["root"]:
        yield Finding(NOTE, connection.host, "CLEAR_CACHES needs root there: the page cache will not be dropped")


def _python(host: str, version: list[int]) -> Finding:
    words = "Python " + ".".join(map(str, version))
    if tuple(version) >= LEAST_PYTHON:
        return Finding(OK, host, words)
    return Finding(PROBLEM, host, f"{words} is too old; {INSTALL_PYTHON}")


def _room(host: str, path: str, free: float, remedy: str) -> Finding:
    words = f"{free / 1e9:.1f} GB free for {path}"
    if free >= ROOM_BYTES:
        return Finding(OK, host, words)
    if free >= LEAST_BYTES:
        return Finding(NOTE, host, f"{words}; that is little: {remedy}")
    return Finding(PROBLEM, host, f"{words}; that is too little: {remedy}")


def _written(plan: RunPlan, connection: Connection) -> dict[str, str]:
    """The folders on a host that a run writes to, with the keys that name them."""
    return {plan.code_path: "FLAGPERF_PATH", results_root(plan, connection.is_local): "FLAGPERF_LOG_PATH"}


def _blocked(where: str, key: str, path: str, file: str) -> Finding:
    """A folder that cannot be made."""
    return Finding(PROBLEM, where, f"{key} {path}: {file} is no folder; choose another path")


def _check_docker(plan: RunPlan, connection: Connection) -> Iterator[Finding]:
    from utils.runtime.engine import engine_errors  # noqa: PLC0415 - a check without Docker needs no SDK
    from utils.runtime.image import has_image  # noqa: PLC0415
    from utils.runtime.image_context import image_tag  # noqa: PLC0415

    images = {image_tag(case.image): case.image for case in plan.cases}
    with engine_errors(connection.host):
        client = connection.docker()
        version, info = client.version(), client.info()
        there = {tag: has_image(client, tag) for tag in images}
    yield Finding(OK, connection.host, f"Docker {version.get('Version', '?')} answers")
    yield from _docker_room(info.get("DockerRootDir"), connection)
    yield from _check_options(plan, connection, info.get("Runtimes"))
    for tag, image in images.items():
        if there[tag]:
            yield Finding(OK, connection.host, f"image {tag} is there")
        else:
            yield Finding(NOTE, connection.host, f"image {tag} is not there yet: it will be {_how(image)}, which takes minutes")


def _check_options(plan: RunPlan, connection: Connection, runtimes: Mapping[str, object] | None) -> Iterator[Finding]:
    """Look for what ACCE_CONTAINER_OPT names on the host: without it the container would be refused, after an image was built."""
    try:
        options = parse_options(plan.container_options, plan.shm_size)
    except ConfigError:  # it stands among the problems of the configuration
        return
    needed = {one["PathOnHost"]: "--device" for one in options.get("devices", [])}
    needed |= {one["Source"]: "--mount" for one in options.get("mounts", []) if one["Type"] == "bind"}
    made = [source for one in options.get("binds", []) if (source := one.partition(":")[0]).startswith("/")]
    exists = ask(connection, paths=[*needed, *made])["exists"]
    what, missing = "ACCE_CONTAINER_OPT", "does not exist there; correct it, or take it out"
    for path, flag in needed.items():
        if not exists[path]:
            yield Finding(PROBLEM, connection.host, f"{what}: {flag} {path} {missing}", ConfigError.exit_code)
    for path in made:
        if not exists[path]:
            yield Finding(NOTE, connection.host, f"{what}: -v {path} does not exist there; Docker makes an empty folder of it")
    runtime = options.get("runtime")
    if runtime and runtimes and runtime not in runtimes and not SHIM.search(runtime):
        words = f"--runtime {runtime} is not configured in the Docker engine, which has: {', '.join(sorted(runtimes))}"
        yield Finding(PROBLEM, connection.host, f"{what}: {words}", ConfigError.exit_code)


def _how(image: ImagePlan) -> str:
    """How a host that lacks an image comes by it."""
    pulled = f"pulled from {image.registry}"
    ways = {
        "pull": pulled,
        "auto": f"{pulled}, or else built" if image.registry else "built",
        "copy": "copied from the first host that has it, or else built on one and copied from there",
    }
    return ways.get(image.source, "built")


def _docker_room(root: str | None, connection: Connection) -> Iterator[Finding]:
    """The room for images and containers; nothing where the engine keeps them out of this host's sight."""
    answer = ask(connection, room=[root] if root else [])
    for path, free in answer["room"].items():
        if answer["exists"][path]:
            yield _room(connection.host, f"Docker's root, {path}", free, "`run.py clean` or `docker system prune` frees some")
