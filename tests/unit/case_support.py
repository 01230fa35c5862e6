"""What tests of cases and engines share: a shipped case's own config, written to another place, and all its steps run there."""

import shutil
import sys
from pathlib import Path

from tools.config_manager import resolve
from tools.contract import result_from_json
from tools.pipeline import Request, run

ROOT = Path(__file__).resolve().parents[2]


def case_config(case, perf_dir, data_dir, settings=(), **changes):
    """The config as the guest gets it for vendor cpu; `perf_dir` is where onnxs/ goes, `changes` are laid over it unchecked."""
    context = {
        "perf_dir": str(perf_dir),
        "data_dir": str(data_dir),
        "log_dir": str(perf_dir),
        "vendor": "cpu",
        "case": case,
        "framework": "pytorch",
    }
    config = resolve(ROOT, case, "cpu", settings, context).config()
    return config._replace(**changes)


def case_runner(folder, monkeypatch):
    """`measure(case, data, *settings)`: the whole pipeline in `folder`, and its Result as it is on disk in `folder`/log, which
    has nothing of a run before. The peak is not measured, which takes seconds."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tools.insight.measured_peak", lambda config, device: None)
    for name in ("configs", "benchmarks", "inference_engine"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)

    def measure(case, data, *settings):
        shutil.rmtree(folder / "log", ignore_errors=True)
        run(Request(folder, data, folder / "log", case, "cpu", "pytorch", settings))
        return result_from_json((folder / "log" / "result.json").read_text(encoding="utf-8"))

    return measure


def has_bf16():
    """Whether this processor computes in bf16."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
