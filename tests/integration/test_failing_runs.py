"""What goes wrong once a run has begun: each in its own words, with its reason and exit code, and at no other case's cost."""

import getpass
import re

import pytest
from run_fixtures import MEASURED, copy_project
from ssh_fixtures import free_port, make_key
from toy import add_case

BROKEN_EXPORT = """
def export_model(model, config):
    raise ValueError("no ONNX form for aten::strange")
"""
BRANCHES_ON_DATA = """
import torch
from benchmarks.shared.classification import collate, engine_forward, model_forward, top1 as evaluator
from tools.onnx_export import export

class Branches(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.layer(rows) if rows.sum() > 0 else rows

def build_dataloader(config):
    return [collate([(torch.ones(3), 0)], size=4)] * 70

def create_model(config):
    return Branches().eval()

def export_model(model, config):
    return export(model, config, [torch.ones(4, 3)], ["rows"], ["scores"])
"""
FAILURES = {
    "unmet": "requirements of unmet could not be installed (benchmarks/unmet/pytorch/requirements.txt), exit 1:",
    "compile": "step e (compile): RuntimeError: no device is free",
    "call": "step f (engine forward): RuntimeError: the device fell off the bus",
    "number": "step f (engine forward): wrong outputs: 2 tensors ([4], [4]) came, 1 tensor expected",
    "shape": "step f (engine forward): wrong outputs: 1 tensor ([3]) came, first dimension 4 expected (the batch)",
    "answer": "step f (engine forward): the engine must return (list of tensors or one stacked tensor, foo_time in seconds)",
    "export": "step d (ONNX export): ValueError: no ONNX form for aten::strange",
    "branches": "step d (ONNX export): ONNX export failed: GuardOnDataDependentSymNode: Could not guard on data-dependent",
    "dies": "the guest ended with exit status 3 and left no result; its last lines:",
}


@pytest.fixture(scope="module")
def broken_run(tmp_path_factory):
    """One run of a case for each failure, and of one that is well, last."""
    project = copy_project(tmp_path_factory.mktemp("broken") / "project")
    cases = {
        **add_case(project, "unmet"),
        **add_case(project, "compile", "e1", compile='raise RuntimeError("no device is free")'),
        **add_case(project, "call", "e2", call='raise RuntimeError("the device fell off the bus")'),
        **add_case(project, "number", "e3", call="return [inputs[0], inputs[0]], 0.0"),
        **add_case(project, "shape", "e4", call="return [type(inputs[0])(3)], 0.0"),
        **add_case(project, "answer", "e5", call="return inputs"),
        **add_case(project, "export", code=BROKEN_EXPORT),
        **add_case(project, "branches", code=BRANCHES_ON_DATA),
        **add_case(project, "dies", "e6", call="import os; os._exit(3)"),
        **add_case(project, "well"),
    }
    project.write("benchmarks/unmet/pytorch/requirements.txt", "--no-index\nno-such-package==1.0\n")
    project.host_yaml(CASES=cases)
    return project.run(timeout=900), project


@pytest.mark.parametrize("case", FAILURES)
def test_a_case_that_fails_says_why_and_is_a_crash(broken_run, case):
    run, _ = broken_run
    reason = run.case(case)["reasons"][0]
    assert (run.case(case)["status"], reason["kind"]) == ("FAILED", "CRASH")
    assert FAILURES[case] in reason["message"]
    assert FAILURES[case] in run.output


ADVICE = {
    "unmet": "or set PIP_SOURCE to an index that has it; all that pip printed is in the case's stdout_err.out.log",
    "branches": "the traceback is in the case's container.out.log",
    "dies": "all that was printed is in the case's stdout_err.out.log, what run.py did in host.out.log",
}


@pytest.mark.parametrize("case", ADVICE)
def test_a_case_that_fails_says_what_to_do_next(broken_run, case):
    run, _ = broken_run
    said = run.output[run.output.index(f"\n {case} cpu/") :]
    arrow = said.split("→ ")[1].split("logs: ")[0]
    assert ADVICE[case] in " ".join(arrow.split())


def test_a_case_that_fails_tells_what_was_asked_for(broken_run):
    run, _ = broken_run
    asked = {name: tuple(run.case(name)[key] for key in ("compiler", "precision", "batch_size")) for name in FAILURES}
    assert {conditions[1:] for conditions in asked.values()} == {("fp32", 4)}
    assert (asked["unmet"][0], asked["branches"][0], asked["dies"][0]) == ("toy", "toy", "e6")


def test_cases_that_fail_cost_the_next_one_nothing(broken_run):
    run, _ = broken_run
    assert run.status == 1
    assert run.case("well")["status"] in MEASURED
    assert run.case("well")["metrics"]["inference_core"] > 0
    assert run.report["run"]["summary"] == {"FAILED": len(FAILURES), run.case("well")["status"]: 1}


def test_what_was_measured_before_an_engine_failed_is_kept(broken_run):
    run, _ = broken_run
    for case in ("compile", "call", "export", "branches"):
        assert run.case(case)["metrics"]["validation_core"] > 0


CSRC = """
import os
tried = {tried!r}
if not os.path.exists(tried):
    open(tried, "w").close()
    raise OSError("no compiler for this accelerator")

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(os.path.join(folder, "toycsrc-1.dist-info"))
    with open(os.path.join(folder, "toycsrc-1.dist-info/METADATA"), "w") as facts:
        facts.write("Metadata-Version: 2.1\\nName: toycsrc\\nVersion: 1\\n")
    return "toycsrc-1.dist-info"
"""
"""A build that fails the first time; PIP_DRY_RUN ends the second one once it is known what would be installed."""


def test_csrc_that_cannot_be_installed_fails_the_case_and_the_next_one_runs(project):
    build = '[build-system]\nrequires = []\nbuild-backend = "building"\nbackend-path = ["."]\n'
    project.write("inference_engine/cpu/csrc/pyproject.toml", build)
    project.write("inference_engine/cpu/csrc/building.py", CSRC.format(tried=str(project.folder / "tried")))
    project.environment["PIP_DRY_RUN"] = "1"
    project.host_yaml(CASES={**add_case(project, "first"), **add_case(project, "second")})
    run = project.run()
    assert run.status == 1, run.output
    reason = run.case("first")["reasons"][0]
    assert (run.case("first")["status"], reason["kind"]) == ("FAILED", "CRASH")
    assert "csrc for first could not be installed (inference_engine/cpu/csrc), exit 1:" in reason["message"]
    assert (
        "no compiler for this accelerator"
        in (project.results / "latest/first:pytorch_2.13/127.0.0.1_noderank0/stdout_err.out.log").read_text()
    )
    assert run.case("second")["status"] in MEASURED


def test_a_traceback_is_in_the_log_and_not_in_the_terminal(broken_run):
    run, project = broken_run
    log = project.results / "latest" / "call:pytorch_2.13" / "127.0.0.1_noderank0" / "container.out.log"
    assert "Traceback" in log.read_text()
    assert "Traceback" not in run.output


def host_failed(project, *messages):
    """`check` and `run` end with 3 and say the same."""
    for finished in (project.run("check"), project.run()):
        assert finished.status == 3, finished.output
        assert "Traceback" not in finished.output
        for message in messages:
            assert message in finished.output
    assert [reason["kind"] for reason in finished.case()["reasons"]] == ["HOST_LOST"]


@pytest.fixture
def by_ssh(project, sshd):
    """Writes a host.yaml that leads to the tests' sshd, with keys of its own."""

    def write(**keys):
        known = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
        project.host_yaml(CONNECTION="ssh", **{**known, **keys})

    return write


def test_an_unknown_host_key_is_shown_with_the_key_to_set(project, by_ssh, sshd, tmp_path):
    by_ssh(SSH_KNOWN_HOSTS=str(tmp_path / "nobody"))
    host_failed(project, f"[127.0.0.1]:{sshd.port}: its host key is unknown", sshd.fingerprint, "SSH_TRUST_FIRST_USE: true")
    assert not (tmp_path / "nobody").exists()


def test_a_wrong_ssh_key_is_refused_with_the_keys_that_were_tried(project, by_ssh, tmp_path):
    key = make_key(tmp_path / "other_key")
    by_ssh(SSH_KEY=str(key))
    host_failed(project, f"does not let {getpass.getuser()} in; tried {key}", "SSH_USER")


def test_a_closed_port_is_named(project, by_ssh):
    port = free_port()
    by_ssh(SSH_PORT=port)
    hint = "is sshd running, and is the port right (SSH_PORT, or Port in ~/.ssh/config)"
    host_failed(project, f"127.0.0.1:{port}: nothing listens there; {hint}")


def test_a_host_without_docker_says_so(project, tmp_path):
    project.environment["DOCKER_HOST"] = f"unix://{tmp_path}/no.sock"
    project.host_yaml(RUNTIME="docker")
    host_failed(project, "no Docker engine answers on 127.0.0.1: ")


@pytest.fixture
def images(project, docker_client):
    """Writes a framework's Dockerfile and returns a toy case's entry in CASES for it."""

    def write(framework, *lines):
        project.write(
            f"docker_images/cpu/{framework}/Dockerfile", "\n".join(["ARG BASE_IMAGE", "FROM ${BASE_IMAGE}", *lines, ""])
        )
        [(name, data)] = add_case(project, framework.replace("pytorch_", "case_")).items()
        return {f"{name.split(':')[0]}:{framework}": data}

    return write


def test_an_image_that_cannot_be_built_fails_its_case_only(project, images, base_tag):
    cases = {**images("pytorch_stops", "RUN true", "RUN echo half way; exit 7"), **images("pytorch_nobase", "RUN true")}
    project.write("docker_images/cpu/pytorch_nobase/Dockerfile", "ARG BASE_IMAGE\nARG OTHER=localhost:9/none:1\nFROM ${OTHER}\n")
    project.host_yaml(RUNTIME="docker", CONNECTION="local", BUILD_ARGS={"BASE_IMAGE": base_tag}, CASES=cases)
    run = project.run()
    assert run.status == 1, run.output
    assert "Traceback" not in run.output
    stops, nobase = run.case("case_stops")["reasons"][0], run.case("case_nobase")["reasons"][0]
    assert (stops["kind"], nobase["kind"]) == ("IMAGE", "IMAGE")
    step = "docker build of docker_images/cpu/pytorch_stops failed at step 5/6 (RUN echo half way; exit 7), exit 7"
    assert f"127.0.0.1: {step}; the log is in host.out.log" in stops["message"]
    assert "half way" in (project.results / "latest" / "host.out.log").read_text()
    assert "the base image localhost:9/none:1 cannot be pulled" in nobase["message"]
    assert "set BUILD_ARGS: {OTHER: …}" in nobase["message"]


def test_data_that_is_not_there_is_found_before_an_image_is_built(project, images, base_tag):
    [case] = images("pytorch_unbuilt", "RUN exit 9")
    project.host_yaml(RUNTIME="docker", BUILD_ARGS={"BASE_IMAGE": base_tag}, CASES={case: "/no/such/folder"})
    run = project.run()
    assert (run.status, run.case("case_unbuilt")["reasons"][0]["kind"]) == (2, "CONFIG"), run.output


def test_a_monitor_that_crashes_is_a_note(project):
    project.write("docker_images/cpu/cpu_monitor.py", "raise RuntimeError('the sensor is on fire')\n")
    project.host_yaml(CASES=add_case(project, "toy"))
    run = project.run()
    assert run.status == 0
    assert "the cpu monitor on 127.0.0.1: it did not start: RuntimeError: the sensor is on fire" in run.case("toy")["notes"]
    assert "Traceback" not in run.output


def test_a_disk_too_full_for_the_report_leaves_the_figures_in_the_terminal(project, small_disk):
    project.host_yaml(CASES=add_case(project, "toy"), FLAGPERF_LOG_PATH=small_disk("88k"), MONITOR_INTERVAL=60)
    run = project.run()
    assert run.status == 1
    assert re.search("1 case, (OK|TAINTED)|0 of 1 case OK, 1 TAINTED", run.output)
    assert (
        "the report cannot be written: [Errno 28] No space left on device; free some space, the figures are above" in run.output
    )
    assert "Traceback" not in run.output


FILLER = """
with open(f"{config.log_dir}/filler", "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
"""


def test_a_disk_too_full_for_a_result_fails_the_case_and_says_so(project, small_disk):
    project.host_yaml(CASES=add_case(project, "toy", compile=FILLER), FLAGPERF_LOG_PATH=small_disk("1m"), MONITOR_INTERVAL=60)
    run = project.run()
    assert run.status == 1
    assert "1 FAILED" in run.output
    assert "No space left on device" in run.output
    assert "Traceback" not in run.output


def test_results_that_can_be_written_nowhere_are_refused_at_once(project):
    project.host_yaml(FLAGPERF_LOG_PATH="configs/host.yaml/result")
    run, typed = project.run(), project.run("run", "--set", f"FLAGPERF_LOG_PATH=/{'x' * 300}")
    assert (run.status, typed.status) == (2, 2), run.output + typed.output
    assert run.output.startswith(
        f"run.py: configs/host.yaml:7: FLAGPERF_LOG_PATH: {project.folder}/configs/host.yaml/result: no folder"
    )
    assert "no folder for results can be made: [Errno 20] Not a directory" in run.output
    assert "name a folder that you can write to" in run.output
    assert typed.output.startswith("run.py: --set: FLAGPERF_LOG_PATH: /xxx")


def test_a_disk_without_room_for_a_folder_is_no_fault_of_the_configuration(project, small_disk):
    folder = small_disk("1m,nr_inodes=1")
    project.host_yaml(FLAGPERF_LOG_PATH=folder)
    run = project.run()
    assert (run.status, "No space left on device" in run.output) == (1, True), run.output
    assert "free some space, or set FLAGPERF_LOG_PATH" in run.output
