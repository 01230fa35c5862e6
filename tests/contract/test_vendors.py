"""Every folder below docker_images keeps the vendor's contract; a new one is found and tested without touching this file."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from utils.monitoring.chips import load_chips

ROOT = Path(__file__).resolve().parents[2]
VENDORS = sorted(
    folder.name for folder in (ROOT / "docker_images").iterdir() if folder.is_dir() and not folder.name.startswith((".", "_"))
)
DOCKERFILES = sorted((ROOT / "docker_images").glob("*/*/Dockerfile"))
MONITORS = sorted([*(ROOT / "docker_images").glob("*/*_monitor.py"), ROOT / "utils/sys_monitor.py"])
HOST_SCRIPTS = [script for script in MONITORS if "utils.monitoring.base" in script.read_text()]


def folder_of(vendor):
    return ROOT / "docker_images" / vendor


def name_of(path):
    return str(path.relative_to(ROOT))


def test_the_vendors_of_the_first_release_are_there():
    assert {"cpu", "nvidia"} <= set(VENDORS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_has_a_monitor_that_answers_status(vendor, tmp_path):
    script = folder_of(vendor) / f"{vendor}_monitor.py"
    command = [sys.executable, str(script), "-o", "status", "-l", str(tmp_path)]
    done = subprocess.run(command, timeout=30, capture_output=True, text=True, cwd="/", check=False)
    assert (done.returncode, done.stderr) in {(3, ""), (0, "")}  # FlagPerf's end with 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_has_an_analysis(vendor):
    tree = ast.parse((folder_of(vendor) / f"{vendor}_analysis.py").read_text())
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "analysis_log"]
    assert len(function.args.args) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_s_peaks_have_sources(vendor):
    chips_yaml = folder_of(vendor) / "chips.yaml"
    assert all(chip.source_url.startswith("https://") for chip in (load_chips(chips_yaml) if chips_yaml.exists() else ()))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_has_a_folder_of_a_framework(vendor):
    assert [path for path in DOCKERFILES if path.parent.parent.name == vendor]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=name_of)
def test_a_dockerfile_begins_with_a_base_image_that_can_be_replaced(dockerfile):
    lines = [line for line in dockerfile.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert re.fullmatch(r"ARG BASE_IMAGE=\S+", lines[0])
    assert lines[1] == "FROM ${BASE_IMAGE}"


@pytest.mark.parametrize("script", HOST_SCRIPTS, ids=name_of)
def test_what_runs_with_a_host_s_python3_is_valid_python_3_8(script):
    for path in (script, *(ROOT / f"utils/monitoring/{name}.py" for name in ("base", "daemon", "procfs", "readings"))):
        ast.parse(path.read_text(), feature_version=(3, 8))


@pytest.mark.parametrize("script", HOST_SCRIPTS, ids=name_of)
def test_what_runs_with_a_host_s_python3_needs_no_library(script, tmp_path):
    command = [sys.executable, "-I", "-S", str(script), "-o", "status", "-l", str(tmp_path)]
    assert subprocess.run(command, timeout=30, capture_output=True, cwd="/", check=False).returncode == 3
