"""Preparing a container, clearing away, and the process runtime, with real containers, pip and processes."""

import json
import os
from dataclasses import replace
from zipfile import ZipFile

import pytest

from tools.errors import CaseCrash, CaseTimeout
from utils.runtime import labels
from utils.runtime.clean import clean, reap
from utils.runtime.image import ensure_image
from utils.runtime.prepare import prepare
from utils.runtime.process import ProcessPlace

SETUP = "from setuptools import setup\nsetup(name='toycsrc', version='1', py_modules=['toycsrc'])\n"
GUEST_PACKAGES = ("yaml", "loguru", "numpy")


@pytest.fixture
def requirements(run_plan):
    folder = run_plan.checkout / "benchmarks" / "toy" / "pytorch"
    folder.mkdir(parents=True)
    return folder / "requirements.txt"


@pytest.fixture
def guest_packages(run_plan, tmp_path):
    """Container options that give the container importable stand-ins for the guest's own packages."""
    for name in GUEST_PACKAGES:
        (tmp_path / "packages").mkdir(exist_ok=True)
        (tmp_path / "packages" / f"{name}.py").touch()
    return f"-v {tmp_path}/packages:/packages:ro -e PYTHONPATH=/packages -e PIP_NO_INDEX=1"


def csrc(run_plan):
    folder = run_plan.checkout / "inference_engine" / "testvendor" / "csrc"
    folder.mkdir(parents=True)
    (folder / "setup.py").write_text(SETUP)
    (folder / "toycsrc.py").write_text("ANSWER = 42\n")


@pytest.mark.docker
def test_where_nothing_is_missing_pip_is_not_called(container, run_plan, case_plan, requirements, guest_packages):
    requirements.write_text("# nothing but\npip >= 20  # and\nnever-there; python_version < '3'\n")
    lines = []
    with container(container_options=guest_packages) as place:
        prepare(place, run_plan, case_plan, lines.append)
    assert lines == []


@pytest.mark.docker
def test_a_requirement_that_cannot_be_installed_is_that_cases_crash(container, run_plan, case_plan, requirements, guest_packages):
    requirements.write_text("accelmark-no-such-package==1\n")
    with container(container_options=guest_packages) as place, pytest.raises(CaseCrash) as raised:
        prepare(place, run_plan, case_plan, lambda _: None)
    assert "requirements of toy could not be installed (benchmarks/toy/pytorch/requirements.txt), exit 1" in str(raised.value)
    assert "No matching distribution found for accelmark-no-such-package==1" in str(raised.value)


@pytest.mark.docker
def test_the_guests_own_packages_are_installed_where_they_lack(container, run_plan, case_plan):
    with container(container_options="-e PIP_NO_INDEX=1") as place, pytest.raises(CaseCrash) as raised:
        prepare(place, run_plan, case_plan, lambda _: None)
    assert "the guest's own packages of toy could not be installed (PyYAML, loguru, numpy)" in str(raised.value)


@pytest.fixture
def wheels(tmp_path):
    """A function that makes stand-in wheels (package: module), and returns container options with which pip knows them alone."""

    def made(modules):
        (tmp_path / "wheels").mkdir()
        for package, module in modules.items():
            facts = f"{package}-1.0.dist-info"
            with ZipFile(tmp_path / "wheels" / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{module}.py", f"NAME = {package!r}\n")
                wheel.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
                wheel.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(f"{facts}/RECORD", "")
        return f"-v {tmp_path}/wheels:/wheels:ro -e PIP_FIND_LINKS=/wheels -e PIP_NO_INDEX=1"

    return made


def importable(place, *modules):
    """What the modules, made by `wheels`, say in the place."""
    lines = []
    place.run(
        ["python3", "-c", "".join(f"import {name}; print({name}.NAME);" for name in modules)], timeout=30, on_line=lines.append
    )
    return lines


@pytest.mark.docker
def test_the_guests_own_packages_can_be_imported_once_they_are_installed(container, run_plan, case_plan, wheels):
    options = wheels({"PyYAML": "yaml", "loguru": "loguru", "numpy": "numpy"})
    with container(container_options=options) as place:
        prepare(place, run_plan, case_plan, lambda _: None)
        assert importable(place, *GUEST_PACKAGES) == ["PyYAML", "loguru", "numpy"]


@pytest.mark.docker
def test_a_vendor_s_requirements_are_installed_in_place_of_the_case_s(container, run_plan, case_plan, requirements, wheels):
    requirements.write_text("accelmark-no-such-package==1\n")
    requirements.with_name("testvendor_requirements.txt").write_text("toytool>=1\n")
    options = wheels({"PyYAML": "yaml", "loguru": "loguru", "numpy": "numpy", "toytool": "toytool"})
    with container(container_options=options) as place:
        prepare(place, run_plan, case_plan, lambda _: None)
        assert importable(place, "toytool") == ["toytool"]


@pytest.mark.docker
def test_the_vendors_csrc_is_installed_from_a_read_only_folder(container, run_plan, case_plan, guest_packages):
    csrc(run_plan)
    lines = []
    with container(container_options=guest_packages) as place:
        prepare(place, run_plan, case_plan, lambda _: None)
        place.run(["python3", "-c", "import toycsrc; print(toycsrc.ANSWER)"], timeout=30, on_line=lines.append)
    assert lines == ["42"]
    assert sorted(path.name for path in run_plan.checkout.glob("inference_engine/testvendor/csrc/*")) == [
        "setup.py",
        "toycsrc.py",
    ]


@pytest.mark.docker
def test_clean_removes_our_containers_and_images_and_says_which(local, container, image_plan, docker_client, containers_left):
    tag = ensure_image(local, image_plan)
    with container() as place:
        said = clean(local, images=False, run_id=place.plan.run_id)
        assert containers_left() == []
    assert len(said) == 1
    assert "toy:pytorch_foo, run 20990101000000, running" in said[0]
    assert any(f"image {tag}" in line for line in clean(local, images=True, run_id="20990101000000", vendor="testvendor"))
    assert docker_client.images.list(filters={"label": "accelmark.vendor=testvendor"}) == []


@pytest.mark.docker
def test_reaping_takes_what_a_killed_run_left_and_spares_the_living(local, container, base_tag, docker_client, containers_left):
    dead = {**labels.container_labels("20990101000000", "toy:dead"), labels.PID: "4194305"}
    docker_client.api.create_container(base_tag, labels=dead, name=f"accelmark-test-dead-{os.getpid()}")
    with container() as place:
        said = reap(local, except_run="20990101000001")
        assert containers_left() == [f"/{place._name}"]
    assert any(f"accelmark-test-dead-{os.getpid()} (toy:dead, run 20990101000000, created)" in line for line in said)


def test_a_process_runs_in_the_code_with_this_python_and_the_environment(local_here, run_plan):
    script = "import json, os, sys; print(json.dumps([os.getcwd(), sys.executable, os.environ['RANK']]))"
    lines = []
    with ProcessPlace(local_here, run_plan, {"RANK": "0"}) as place:
        status = place.run(["python3", "-c", script], timeout=30, on_line=lines.append)
    assert status == 0
    assert json.loads(lines[0]) == [run_plan.code_path, local_here.python, "0"]


def test_a_process_past_its_deadline_is_ended(local_here, run_plan):
    with ProcessPlace(local_here, run_plan) as place, pytest.raises(CaseTimeout):
        place.run(["sleep", "60"], timeout=0.5, on_line=lambda _: None)


def test_a_process_that_was_killed_has_the_status_of_a_shell(local_here, run_plan):
    with ProcessPlace(local_here, run_plan) as place:
        assert place.run(["sh", "-c", "kill -9 $$"], timeout=30, on_line=lambda _: None) == 137


def test_a_process_is_prepared_without_pip_where_nothing_is_missing(local_here, run_plan, case_plan, requirements):
    requirements.write_text("pytest\n")
    lines = []
    prepare(ProcessPlace(local_here, replace(run_plan, runtime="process")), run_plan, case_plan, lines.append)
    assert lines == []
