"""What a user meets first: `make run`, and the configuration as it ships, on the real cases."""

import os
import shutil
import subprocess

import pytest
from run_fixtures import CHECKOUT, MEASURED, after_make_setup, quick
from toy import add_case


@pytest.mark.slow
def test_the_configuration_as_shipped_measures_both_cases_and_ends_with_the_path_of_the_report(project):
    shutil.copy(CHECKOUT / "configs" / "host.yaml", project.folder / "configs" / "host.yaml")
    run = project.run("run", *quick(max_samples=4), timeout=1200)
    assert run.status == 0, run.output
    digits, resnet50 = run.case("digits"), run.case("resnet50")
    assert [(case["compiler"], case["status"] in MEASURED) for case in (digits, resnet50)] == [
        ("openvino", True),
        ("onnxruntime", True),
    ]
    for case in (digits, resnet50):
        for name in ("validation_whole", "validation_core", "inference_whole", "inference_core"):
            assert case["metrics"][name] > 0
    assert digits["metrics"]["accuracy_inference"] == digits["metrics"]["accuracy_validation"] >= 0.75  # of four images
    assert resnet50["metrics"]["accuracy_inference"] is None
    assert any("seeded initialisation" in note for note in resnet50["notes"])
    page = (project.results / "latest").resolve() / "report.html"
    assert page.exists()
    assert run.output.rstrip().splitlines()[-2].split() == ["report", str(page)]


def test_a_second_make_run_measures_without_pip(project):
    after_make_setup(project).host_yaml(CASES=add_case(project, "toy"))
    pip_fails = {"PIP_TIMEOUT": "whoever calls pip fails with this"}
    environment = {**os.environ, **project.environment, **pip_fails}
    done = subprocess.run(
        ["make", "run"], cwd=project.folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "installing packages" not in done.stdout
    assert "1/1 toy:pytorch_2.13: step c of a-g" in done.stdout
