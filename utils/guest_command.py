"""How the guest is called, and where on another host its files lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.plan import CasePlan, RunPlan


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


def guest_folder(plan: RunPlan) -> str:
    """Where a run's files lie on another host until they are collected; never where they lie here, should that be one disk."""
    root = plan.log_path if plan.log_path.startswith("/") else f"{plan.code_path}/{plan.log_path}"
    return f"{root}/.guest-{plan.run_id}"
