"""What tests of cases and engines share: a shipped case's own config, written to another place, and an engine to count with."""

from pathlib import Path

from tools.config_manager import resolve

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
