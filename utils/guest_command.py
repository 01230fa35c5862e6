"""How the guest is called, and where on a host its files lie."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.plan import CasePlan, HostTarget, RunPlan


def guest_command(plan: RunPlan, case: CasePlan, log_dir: str, config: str) -> list[str]:
    """The command line that crosses the wall, for one case whose files go to `log_dir` and whose resolved configuration is in the
    file `config`."""
    options = {
        "--perf_dir": plan.code_path,
        "--data_dir": case.data,
        "--log_dir": log_dir,
        "--loglevel": plan.log_level,
        "--case": case.case,
        "--vendor": case.vendor,
        "--framework": case.framework,
        "--config": config,
    }
    words = [word for pair in options.items() for word in pair]
    calls = ["--log_calls"] if plan.log_calls else []
    return ["python3", "run_inference.py", *words, "--progress", *calls]


def results_root(plan: RunPlan, is_local: bool) -> str:
    """Where runs' files lie on a host; on another one, a relative FLAGPERF_LOG_PATH is below FLAGPERF_PATH."""
    return str(plan.results) if is_local else str(PurePosixPath(plan.code_path, plan.log_path))


def run_folder(plan: RunPlan, is_local: bool) -> str:
    """Where one run's files lie on a host: on another one until they are collected, and never where they lie here, should that be
    one disk."""
    return str(PurePosixPath(results_root(plan, is_local), plan.run_id if is_local else f".guest-{plan.run_id}"))


def case_folder(plan: RunPlan, case: CasePlan, host: HostTarget, is_local: bool) -> str:
    """Where the files of one case lie on a host."""
    return f"{run_folder(plan, is_local)}/{case.name}/{host_folder(host)}"


def host_folder(host: HostTarget) -> str:
    """What a case's folder for one host is called."""
    return f"{host.host}_noderank{host.rank}"
