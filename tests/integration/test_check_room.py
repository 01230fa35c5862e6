"""`check` looks at what real disks, a real Docker engine and a real Python have."""

import pytest
from docker_fixtures import private_engine


@pytest.mark.docker
def test_check_tells_how_much_room_docker_has(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    project.host_yaml(RUNTIME="docker")
    with private_engine(folder):
        checked = project.run("check")
    assert checked.status == 0, checked.output
    assert f"GB free for Docker's root, {folder}/data" in checked.output


def test_a_disk_without_room_for_results_is_a_problem(project, small_disk):
    folder = small_disk("20m")
    project.host_yaml(FLAGPERF_LOG_PATH=folder)
    checked = project.run("check")
    assert checked.status == 1, checked.output
    assert (
        f"problem 127.0.0.1: 0.0 GB free for {folder}; that is too little: free some, or choose another folder" in checked.output
    )


def test_a_disk_without_room_for_results_on_another_host_is_a_problem(project, small_disk, sshd, tmp_path):
    folder = small_disk("20m")
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    project.host_yaml(FLAGPERF_LOG_PATH=folder, FLAGPERF_PATH=str(tmp_path / "there"), CONNECTION="ssh", **keys)
    checked = project.run("check")
    assert f"problem 127.0.0.1: 0.0 GB free for {folder}; that is too little" in checked.output


def test_a_disk_with_little_room_is_a_note(project, small_disk):
    folder = small_disk("1g")
    project.host_yaml(FLAGPERF_LOG_PATH=folder)
    checked = project.run("check")
    assert checked.status == 0, checked.output
    assert f"note 127.0.0.1: 1.1 GB free for {folder}; that is little: free some, or choose another folder" in checked.output


def test_a_folder_that_cannot_be_written_is_a_problem_for_root_too(project, small_disk):
    folder = small_disk("10g,ro")
    project.host_yaml(FLAGPERF_LOG_PATH=f"{folder}/below/it")
    checked = project.run("check")
    assert checked.status == 1, checked.output
    remedy = "cannot be written; choose another FLAGPERF_PATH or FLAGPERF_LOG_PATH"
    assert f"problem 127.0.0.1: {folder}/below/it {remedy}" in checked.output


def test_check_names_the_package_that_an_engine_lacks_and_where_it_is_listed(project):
    engine = project.folder / "inference_engine/cpu/onnxruntime.py"
    engine.write_text(engine.read_text().replace("import torch\n", "import no_such_runtime\nimport torch\n", 1))
    project.host_yaml()
    checked = project.run("check", "--set", "compiler=onnxruntime")
    assert checked.status == 1, checked.output
    remedy = "pip install -r docker_images/cpu/pytorch_2.13/requirements.txt, take another compiler, or RUNTIME: docker"
    assert f"has no no_such_runtime, which engine cpu/onnxruntime needs; {remedy}" in checked.output


def test_check_says_that_flagperf_path_holds_something_else(project, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.jpg").touch()
    project.host_yaml(FLAGPERF_PATH=str(tmp_path / "photos"))
    checked = project.run("check")
    assert checked.status == 2, checked.output
    assert f"FLAGPERF_PATH {tmp_path}/photos holds something else; choose another folder, or empty this one" in checked.output
