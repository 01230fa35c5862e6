"""What is looked for on a host before anything starts for a case."""

from pathlib import Path

import pytest

from utils.needs import needs
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan


def found(runtime="process", data="/data/set", **keys):
    config = {key: {"value": value, "origin": f"configs/toy/configurations.yaml:{key}"} for key, value in keys.items()}
    image = ImagePlan("acme", "pytorch_1", Path("/code/docker_images/acme/pytorch_1"))
    case = CasePlan("toy", "pytorch_1", "acme", data or "embedded", data, image, config=config)
    hosts = (HostTarget("localhost", 0, ssh=False),)
    code = Path("/code")
    plan = RunPlan("run1", code / "host.yaml", code, "/code", code / "result", "result", "acme", runtime, hosts, (case,))
    return list(needs(plan, case))


def test_a_data_directory_is_needed_and_the_remedy_names_what_is_built_in():
    [need] = found(builtin_data=("embedded",))
    assert (need.path, need.is_folder) == ("/data/set", True)
    said = "data directory /data/set of toy:pytorch_1 is missing or unreadable; correct CASES"
    assert need.complaint == f"{said}, or take what is built into toy: embedded"


def test_data_that_is_built_in_needs_nothing():
    assert found(data=None, builtin_data=("embedded",), exist_onnx_path=None) == []


@pytest.mark.parametrize(
    ("value", "path"), [("onnxs/toy.onnx", "/code/onnxs/toy.onnx"), ("/models/toy.onnx", "/models/toy.onnx")]
)
def test_a_file_that_a_switch_names_is_needed_below_the_code_or_where_it_says(value, path):
    [need] = found(data=None, exist_onnx_path=value)
    assert (need.path, need.is_folder) == (path, False)
    assert need.remedy == "put it there, or correct configs/toy/configurations.yaml:exist_onnx_path"


@pytest.mark.parametrize(("value", "there"), [("/in/the/image.plan", 0), ("onnxs/toy.plan", 1), ("/data/set/toy.plan", 1)])
def test_a_file_in_a_container_is_looked_for_only_where_the_host_has_it_too(value, there):
    assert len(found("docker", exist_compiler_path=value)) == 1 + there
