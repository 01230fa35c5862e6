"""What is looked for on a host before anything starts for a case."""

from pathlib import Path

import pytest

from utils.needs import needs, packages
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan


def planned(runtime="process", data="/data/set", code=Path("/code"), **keys):
    config = {key: {"value": value, "origin": f"configs/toy/configurations.yaml:{key}"} for key, value in keys.items()}
    image = ImagePlan("acme", "pytorch_1", code / "docker_images/acme/pytorch_1")
    case = CasePlan("toy", "pytorch_1", "acme", data or "embedded", data, image, config=config)
    hosts = (HostTarget("localhost", 0, ssh=False),)
    plan = RunPlan("run1", code / "host.yaml", code, str(code), code / "result", "result", "acme", runtime, hosts, (case,))
    return plan, case


def found(runtime="process", data="/data/set", **keys):
    return list(needs(*planned(runtime, data, **keys)))


def test_a_data_directory_is_needed_and_the_remedy_names_what_is_built_in():
    [need] = found(builtin_data=("embedded",))
    assert (need.path, need.is_folder) == ("/data/set", True)
    said = "data directory /data/set of toy:pytorch_1 is missing or unreadable; correct CASES"
    assert need.complaint == f"{said}, or take what is built into toy: embedded"


def test_data_that_is_built_in_needs_nothing():
    assert found(data=None, builtin_data=("embedded",), exist_onnx_path=None) == []


@pytest.mark.parametrize("path", ["/code/onnxs/toy.onnx", "/models/toy.onnx"])
def test_a_file_that_a_switch_names_is_needed_where_it_says(path):
    [need] = found(data=None, exist_onnx_path=path)
    assert (need.path, need.is_folder) == (path, False)
    assert need.remedy == "put it there, or correct configs/toy/configurations.yaml:exist_onnx_path"


@pytest.mark.parametrize("key", ["user_conf", "mlperf_conf"])
@pytest.mark.parametrize(
    ("runtime", "named", "paths"),
    [
        ("process", "conf/my.conf", ["/code/conf/my.conf"]),
        ("docker", "conf/my.conf", ["/code/conf/my.conf"]),
        ("docker", "/in/the/image.conf", []),
        ("process", "", []),
    ],
)
def test_loadgens_files_are_needed_from_the_code_s_folder_on(key, runtime, named, paths):
    found_needs = found(runtime, data=None, **{key: named})
    assert [(need.path, need.is_folder) for need in found_needs] == [(path, False) for path in paths]


@pytest.mark.parametrize(("value", "there"), [("/in/the/image.plan", 0), ("/code/onnxs/toy.plan", 1), ("/data/set/toy.plan", 1)])
def test_a_file_in_a_container_is_looked_for_only_where_the_host_has_it_too(value, there):
    assert len(found("docker", exist_compiler_path=value)) == 1 + there


@pytest.fixture
def engine(tmp_path):
    """A checkout whose engine acme/fast needs two packages."""
    for name in ("inference_engine/acme", "benchmarks/toy/pytorch", "docker_images/acme/pytorch_1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "inference_engine/acme/fast.py").write_text("import acme_runtime\nimport acme_compiler.core\nimport torch\n")
    return tmp_path


def wanted(checkout, runtime="process", compiler="fast"):
    return {one.needed_by: one for one in packages(*planned(runtime, code=checkout, compiler=compiler))}


def test_the_host_s_python_needs_what_guest_and_engine_import(engine):
    found = wanted(engine)
    assert found["the guest"].modules == ("torch", "yaml", "loguru", "numpy")
    assert found["engine acme/fast"].modules == ("acme_compiler", "acme_runtime")


@pytest.mark.parametrize(("runtime", "compiler", "needed_by"), [("docker", "fast", []), ("process", None, ["the guest"])])
def test_a_container_and_no_engine_need_nothing_of_it(engine, runtime, compiler, needed_by):
    assert list(wanted(engine, runtime, compiler)) == needed_by


def test_what_the_case_s_requirements_bring_is_not_missing(engine):
    (engine / "benchmarks/toy/pytorch/requirements.txt").write_text("# one\nAcme-Runtime>=2\n")
    assert wanted(engine)["engine acme/fast"].modules == ("acme_compiler",)


def test_what_a_csrc_brings_nobody_knows_before(engine):
    (engine / "inference_engine/acme/csrc").mkdir()
    (engine / "inference_engine/acme/csrc/setup.py").touch()
    assert list(wanted(engine)) == ["the guest"]


@pytest.mark.parametrize("listed", [True, False])
def test_the_remedy_names_the_image_s_requirements_where_there_are_some(engine, listed):
    if listed:
        (engine / "docker_images/acme/pytorch_1/requirements.txt").touch()
    source = "pip install -r docker_images/acme/pytorch_1/requirements.txt" if listed else "pip install what brings it"
    said = f"acme_runtime, which engine acme/fast needs; {source}, take another compiler, or RUNTIME: docker"
    assert wanted(engine)["engine acme/fast"].complaint(["acme_runtime"]) == said
