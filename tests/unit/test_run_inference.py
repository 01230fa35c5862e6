"""The guest's command line, as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from guest_project import Project

from tools.config_manager import resolved_text
from tools.contract import progress_from_line, result_from_json

SCRIPT = Path(__file__).parents[2] / "run_inference.py"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def command(project, *more, case="toy"):
    return [
        sys.executable, str(SCRIPT), "--perf_dir", str(project.root), "--data_dir", str(project.data_dir),
        "--log_dir", str(project.log_dir), "--loglevel", "INFO", "--case", case, "--vendor", "acme",
        "--framework", "pytorch_2.13", *more,
    ]  # fmt: skip


def start(project, *more, case="toy"):
    return subprocess.run(command(project, *more, case=case), capture_output=True, text=True, timeout=300, check=False)


def result_of(project):
    return result_from_json((project.log_dir / "result.json").read_text(encoding="utf-8"))


def test_a_run_by_hand_ends_with_the_numbers_and_the_path(project):
    done = start(project)
    assert done.returncode == 0, done.stderr
    assert "toy on acme/toyc: " in done.stdout
    assert done.stdout.rstrip().endswith(str(project.log_dir / "result.json"))
    assert "step c (framework validation) begins" in (project.log_dir / "container.out.log").read_text()


def test_progress_lines_are_for_machines(project):
    lines = start(project, "--progress").stdout.splitlines()
    told = [progress for progress in map(progress_from_line, lines) if progress]
    assert [progress.step for progress in told if not progress.done] == list("abcdefg")
    assert [(progress.step, progress.total) for progress in told if progress.done == 1] == [("c", 4), ("f", 4)]


def test_a_setting_overrides_for_one_run(project):
    assert start(project, "--set", "repeat=3").returncode == 0
    assert result_of(project).config["repeat"] == {"value": 3, "origin": "--set"}


def test_a_config_that_run_py_resolved_is_what_runs(project):
    assert start(project, "--set", "repeat=3").returncode == 0
    (project.log_dir / "config.yaml").write_text(resolved_text(result_of(project).config))
    assert start(project, "--config", str(project.log_dir / "config.yaml")).returncode == 0
    assert result_of(project).config["repeat"] == {"value": 3, "origin": "--set"}


def test_a_configuration_error_has_exit_code_2_and_leaves_a_result(project):
    done = start(project, case="toi")
    assert done.returncode == 2
    assert "Traceback" not in done.stdout.split("toi on acme")[1]
    assert result_of(project).reasons[0].kind == "CONFIG"


@pytest.mark.parametrize("more", [["--typo"], ["--loglevel", "LOUD"]])
def test_wrong_arguments_have_exit_code_2(project, more):
    assert start(project, *more).returncode == 2


def test_a_crash_has_exit_code_1_and_its_traceback_in_the_log(project):
    project.change_engine("self._config = config", "raise ValueError('broken')")
    assert start(project).returncode == 1
    log = (project.log_dir / "container.out.log").read_text()
    assert "Traceback" in log
    assert "ValueError: broken" in log


def test_a_missing_package_is_named_and_leaves_a_result(project):
    project.write("loguru.py", "raise ModuleNotFoundError(\"No module named 'loguru'\", name='loguru')")
    environment = dict(os.environ, PYTHONPATH=str(project.root))
    done = subprocess.run(command(project), capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 1
    assert "-m pip install loguru" in done.stderr
    assert "loguru" in result_of(project).reasons[0].message


def test_an_unwritable_log_directory_is_one_line(project):
    project.log_dir.write_text("a file")
    done = start(project)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_result_and_no_process(project, number):
    project.change_engine("return inputs, 0.0", "note(self._config, 'waiting')\n        time.sleep(600)")
    process = subprocess.Popen(command(project), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 180
    while "waiting" not in project.calls and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=120) == 130
    assert result_of(project).reasons[0].kind == "INTERRUPTED"
    assert project.calls[-1] == "close"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


WORKERS = """
def build_dataloader(config):
    from torch.utils.data import DataLoader
    return DataLoader([Batch() for _ in range(1000)], batch_size=None, num_workers=2, persistent_workers=True)

def unused(config):
"""


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_data_loader_worker(project, number):
    pytest.importorskip("torch")
    project.change_case("def build_dataloader(config):\n", WORKERS)
    project.change_engine("return inputs, 0.0", "note(self._config, 'waiting')\n        time.sleep(600)")
    process = subprocess.Popen(command(project), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 180
    while "waiting" not in project.calls and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, number)
    assert process.wait(timeout=120) == 130
    assert result_of(project).reasons[0].kind == "INTERRUPTED"
    deadline = time.monotonic() + 60  # a worker looks for its parent now and then
    while group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not group_lives(process.pid)


def test_figures_whose_result_cannot_be_written_are_still_said(project):
    (project.log_dir / "result.json").mkdir(parents=True)
    done = start(project)
    assert done.returncode == 1
    assert "inference_core" in done.stdout
    assert "cannot write" in done.stderr
