"""Under sudo: whatever a run writes belongs to who called, and nothing else does afterwards."""

import other_user
import pytest
from run_fixtures import in_container, quick
from toy import add_case

USER, GROUP = 12345, 23456


@pytest.fixture
def theirs():
    """A project that belongs to a user, in a folder that he may enter, and is run by root as sudo would."""
    with other_user.project_elsewhere("sudo") as project:
        home = project.folder.parent / "home"
        home.mkdir()
        project.environment.update(HOME=str(home), PYTHONDONTWRITEBYTECODE="", SUDO_UID=str(USER), SUDO_GID=str(GROUP))
        give(home.parent)
        yield project


def give(folder):
    other_user.give(folder, USER, GROUP)


def of_others(folder):
    """What lies in a folder and is not the user's."""
    owners = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return [str(path) for path, owner in owners.items() if (owner.st_uid, owner.st_gid) != (USER, GROUP)]


def names(folder):
    return {path.name for path in folder.rglob("*")}


def as_user(project):
    """Run without sudo from here on."""
    del project.environment["SUDO_UID"], project.environment["SUDO_GID"]
    project.environment["HOME"] = str(project.folder)  # engines leave something there
    project.before = other_user.as_user(USER, GROUP)


def check_all_is_theirs(project, finished):
    assert finished.status == 0, finished.output
    run = (project.results / "latest").resolve()
    assert {"report.json", "report.md", "report.html", "host.out.log"} <= names(run)
    assert {"result.json", "latencies.npz", "container.out.log", "stdout_err.out.log", "cpu_monitor.log"} <= names(run)
    assert "model.onnx" in names(project.folder / "onnxs")
    assert of_others(project.folder) == []


def test_what_a_process_wrote_is_the_caller_s_who_can_run_again_without_sudo(theirs):
    theirs.host_yaml()
    give(theirs.folder)
    check_all_is_theirs(theirs, theirs.run("run", *quick(compiler="onnxruntime")))
    exported = names(theirs.folder / "onnxs")
    as_user(theirs)
    check_all_is_theirs(theirs, theirs.run("run", *quick(compiler="onnxruntime")))
    assert names(theirs.folder / "onnxs") == exported
    assert len([path for path in theirs.results.iterdir() if path.name.startswith("run")]) == 2


@pytest.mark.docker
def test_what_a_container_wrote_is_the_caller_s_who_can_run_again_without_sudo(theirs, base_tag, docker_client):
    with in_container(theirs, base_tag, docker_client):
        theirs.host_yaml(**theirs.docker, CASES={"digits:pytorch_here": "embedded"})
        give(theirs.folder)
        check_all_is_theirs(theirs, theirs.run("run", *quick(compiler="onnxruntime")))
    exported = names(theirs.folder / "onnxs")
    as_user(theirs)
    finished = theirs.run("run", *quick(compiler="onnxruntime"), "--set", "RUNTIME=process")
    check_all_is_theirs(theirs, finished)
    assert {name for name in names(theirs.folder / "onnxs") if "model.onnx" in name} <= exported


def test_what_came_from_another_host_is_the_caller_s(theirs, sshd):
    there = theirs.folder.parent / "there"
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    theirs.host_yaml(CONNECTION="ssh", FLAGPERF_PATH=str(there), **keys, CASES=add_case(theirs, "toy"))
    give(theirs.folder)
    assert theirs.run().status == 0
    assert of_others(theirs.results) == []


def test_results_and_code_elsewhere_are_the_caller_s_and_what_was_there_before_stays_whose_it_was(theirs):
    elsewhere = theirs.folder.parent / "disk"
    elsewhere.mkdir()
    (elsewhere / "root's.txt").touch()
    places = {"FLAGPERF_PATH": str(elsewhere / "code"), "FLAGPERF_LOG_PATH": str(elsewhere)}
    theirs.host_yaml(**places, CASES=add_case(theirs, "toy"))
    theirs.results.rmdir()
    give(theirs.folder)
    assert theirs.run().status == 0
    assert of_others(elsewhere) == [str(elsewhere), str(elsewhere / "root's.txt")]
    assert of_others(theirs.folder) == []


def test_results_in_a_folder_that_the_run_had_to_make_are_the_caller_s_with_the_folder(theirs):
    theirs.host_yaml(FLAGPERF_LOG_PATH="a/b/c", CASES=add_case(theirs, "toy"))
    give(theirs.folder)
    assert theirs.run().status == 0
    assert {"a", "b", "c", "latest"} <= names(theirs.folder)
    assert of_others(theirs.folder) == []


def test_a_user_who_may_not_clear_the_caches_is_told_so(theirs):
    theirs.host_yaml(CLEAR_CACHES=True, CASES=add_case(theirs, "toy"))
    give(theirs.folder)
    as_user(theirs)
    finished = theirs.run()
    assert finished.status == 0, finished.output
    [note] = [note for note in finished.case("toy")["notes"] if "CLEAR_CACHES" in note]
    assert note.startswith("CLEAR_CACHES: the page cache of 127.0.0.1 was not dropped, that needs root (PermissionError: ")


def test_a_run_that_fails_or_is_interrupted_leaves_the_caller_his_files_too(theirs):
    theirs.host_yaml(CASES=add_case(theirs, "toy", compile="raise KeyboardInterrupt"))
    give(theirs.folder)
    assert theirs.run().status in (1, 130)
    assert of_others(theirs.folder) == []
