"""run.py's commands as they are typed, and what a user is told."""

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile

import docker
import pytest
from docker_fixtures import private_engine
from run_fixtures import CHECKOUT, VENV, quick
from toy import add_case

DECLARES_FOO_TIME = "return inputs, 1e-9"


@pytest.fixture
def toys(project):
    """A project with two cases: `doubtful`, whose engine declares foo_time, and `well`."""
    project.host_yaml(CASES={**add_case(project, "doubtful", "foo", call=DECLARES_FOO_TIME), **add_case(project, "well")})
    return project


def test_list_shows_what_there_is(project):
    table, found = project.run("list").output, json.loads(project.run("list", "--json").output)
    assert [case["name"] for case in found["cases"]] == ["digits", "resnet50"]
    cpu = next(vendor for vendor in found["vendors"] if vendor["name"] == "cpu")
    assert cpu == {
        "name": "cpu",
        "frameworks": ["pytorch_2.13"],
        "engines": ["inductor", "onnxruntime", "openvino"],
        "monitor": True,
    }
    for word in ("digits", "resnet50", "embedded", "synthetic", "nvidia", *cpu["engines"]):
        assert word in table


def test_check_finds_nothing_missing_for_the_configuration_as_shipped(project):
    shutil.copy(CHECKOUT / "configs" / "host.yaml", project.folder / "configs" / "host.yaml")
    checked = project.run("check")
    assert checked.status == 0, checked.output
    assert "configs/host.yaml: 2 case(s): digits:pytorch_2.13, resnet50:pytorch_2.13; vendor cpu" in checked.output
    assert "ready: nothing is missing" in checked.output
    assert list(project.results.iterdir()) == []


def test_a_doubtful_case_is_tainted_which_strict_does_not_accept(toys):
    lenient, strict = toys.run("--case", "doubtful"), toys.run("--case", "doubtful", "--strict")
    assert (lenient.status, strict.status) == (0, 1)
    case = strict.case("doubtful")
    assert (case["status"], "foo_time" in {reason["kind"] for reason in case["reasons"]}) == ("TAINTED", True)
    well = toys.run("--case", "well", "--strict")
    assert well.status == (0 if well.case("well")["status"] == "OK" else 1)


def test_a_run_can_be_narrowed_and_overridden_and_the_report_says_so(toys):
    add = {"doubtful:pytorch_2.13": str(toys.data), "well:pytorch_2.13": str(toys.data)}
    toys.host_yaml(CASES=add).rename(toys.folder.parent / "my.yaml")
    run = toys.run("--config", "../my.yaml", "--case", "well", "--set", "repeat=2", "--set", "FLAGPERF_LOG_LEVEL=debug")
    assert run.status == 0, run.output
    assert [case["case"] for case in run.report["cases"]] == ["well"]
    assert run.report["run"]["overrides"] == ["--case well", "--set repeat=2", "--set FLAGPERF_LOG_LEVEL=debug"]
    assert run.case("well")["config"]["repeat"] == {"value": 2, "origin": "--set"}
    assert run.case("well")["config"]["warmup"] == {"value": 1, "origin": "configs/well/configurations.yaml:4"}
    assert run.report["run"]["host_config"]["FLAGPERF_LOG_LEVEL"] == {"value": "DEBUG", "origin": "--set"}
    assert "overridden: --case well  --set repeat=2  --set FLAGPERF_LOG_LEVEL=debug" in run.output


@pytest.mark.slow
def test_everything_beside_the_pass_over_the_data_is_in_the_report_and_in_the_cases_folder(project):
    short = {"SingleStream": {"min_duration_ms": 200, "min_query_count": 1}}
    settings = {"compiler": "onnxruntime", "max_samples": 64, "warmup_limit": 1, "batch_sizes": [1, 8], "clients": [1, 2]}
    project.host_yaml()
    run = project.run("run", "--audit", "--profile", *quick(**settings, scenarios=["SingleStream"], loadgen=short))
    case, folder = run.case(), project.results / "latest" / "digits:pytorch_2.13" / "127.0.0.1_noderank0"
    assert (case["metrics"]["mfu_source"], case["metrics"]["mfu"] > 0) == ("measured", True), run.output
    assert [(one["name"], one["value"] > 0, one["accuracy"]) for one in case["scenarios"]] == [("SingleStream", True, 1.0)]
    assert [(point["batch_size"], point["clients"]) for point in case["sweep"]] == [(1, 1), (1, 2), (8, 1), (8, 2)]
    assert "a repeated sample is not faster than distinct ones" in [check["name"] for check in case["audit"]]
    assert [profile["phase"] for profile in case["profiles"]] == ["validation", "inference"]
    titles = re.findall("^### (.*)", (folder.parents[1] / "report.md").read_text(), re.MULTILINE)
    for section in ("MLPerf scenarios", "Sweep over", "How far from the peak", "Audit", "Operators in inference, by onnxruntime"):
        assert any(title.startswith(section) for title in titles), titles
    assert "Result is" in (folder / "SingleStream/performance/mlperf_log_summary.txt").read_text()
    assert json.loads((folder / "inference_trace.json").read_text())
    assert json.loads((folder / "validation_trace.json").read_text())["traceEvents"]


def test_progress_says_host_case_and_step_line_by_line_where_nobody_looks(toys):
    lines = toys.run().output.splitlines()
    steps = [line for line in lines if line.startswith("127.0.0.1  2/2 well:pytorch_2.13: step ")]
    assert [line.split("step ")[1][:8] for line in steps] == [f"{letter} of a-g" for letter in "abcdefg"]
    assert any(re.match(r"127.0.0.1  2/2 well:pytorch_2.13: (OK|TAINTED) after ", line) for line in lines)


def test_a_finished_run_can_be_printed_again(toys):
    older, newer = toys.run("--case", "well"), toys.run("--case", "doubtful")
    names = [run.report["run"]["id"] for run in (older, newer)]
    again = toys.run("report")
    assert again.status == 0
    assert again.output.strip() in newer.output
    assert names[0] in toys.run("report", names[0]).output
    assert names[0] in toys.run("report", names[0].removeprefix("run")).output
    assert toys.run("report", "--markdown").output.startswith(f"# Accelmark {names[1]}: 0 of 1 case OK, 1 TAINTED")
    unknown = toys.run("report", "run1999")
    assert (unknown.status, f"no run 'run1999'; the newest are: {names[1]}, {names[0]}" in unknown.output) == (2, True)
    assert "is the beginning of several runs" in toys.run("report", names[0][:8]).output


def test_a_report_of_no_run_says_how_to_make_one(project):
    told = project.run("report")
    assert (told.status, "no run yet; `run.py` makes one" in told.output) == (2, True)


@pytest.fixture
def ours_and_theirs(tmp_path_factory):
    """A Docker engine of its own with an image and a container of ours, and an image and a container of somebody else's."""
    with private_engine(tmp_path_factory.mktemp("engine")):
        client = docker.from_env()
        labels = {"ours": "LABEL accelmark.kind=image accelmark.vendor=cpu", "theirs": "LABEL kind=image"}
        for name, label in labels.items():
            client.api.import_image_from_data(an_archive(), repository=name, tag="1", changes=[label])
        case = {"accelmark.kind": "container", "accelmark.run": "run1", "accelmark.case": "digits"}
        client.api.create_container("ours:1", "true", name="ours", labels=case)
        client.api.create_container("ours:1", "true", name="step", labels={"accelmark.kind": "step"})
        client.api.create_container("theirs:1", "true", name="theirs")
        yield client
        client.close()


def an_archive():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    return buffer.getvalue()


def test_clean_removes_what_is_ours_and_says_which(project, ours_and_theirs):
    project.host_yaml(RUNTIME="docker")
    logs = project.results / "run1" / "case"
    monitor = [sys.executable, project.folder / "docker_images/cpu/cpu_monitor.py"]
    subprocess.run([*monitor, "-o", "start", "-l", logs], check=True)
    cleaned = project.run("clean", "--keep-images")
    assert cleaned.status == 0, cleaned.output
    assert f"127.0.0.1: monitor {logs}/cpu_monitor: ended\n" in cleaned.output
    assert "127.0.0.1: container ours (digits, run run1, created): removed\n" in cleaned.output
    assert "127.0.0.1: container step (of a build, created): removed\n" in cleaned.output
    assert "image" not in cleaned.output
    assert subprocess.run([*monitor, "-o", "status", "-l", logs], check=False).returncode == 3
    assert "127.0.0.1: image ours:1 (0 MB): removed\n" in project.run("clean").output
    assert project.run("clean").output == "127.0.0.1: nothing to remove\n"
    assert [image.tags for image in ours_and_theirs.images.list()] == [["theirs:1"]]
    assert [container.name for container in ours_and_theirs.containers.list(all=True)] == ["theirs"]


def test_clean_goes_on_when_a_host_cannot_be_reached(project):
    project.host_yaml(HOSTS=["nowhere.invalid", "127.0.0.1"])
    cleaned = project.run("clean")
    assert cleaned.status == 3
    assert "run.py: nowhere.invalid: " in cleaned.output
    assert "127.0.0.1: nothing to remove" in cleaned.output


def by_hand(project, *more):
    command = [VENV / "bin" / "python", project.folder / "run_inference.py", "--perf_dir", project.folder, "--loglevel", "INFO"]
    places = ["--data_dir", "embedded", "--log_dir", project.folder.parent / "log", "--framework", "pytorch_2.13"]
    return subprocess.run([*command, *places, *more], capture_output=True, text=True, timeout=300, check=False, cwd="/")


def test_a_case_runs_by_hand_without_run_py(project):
    done = by_hand(project, "--case", "digits", "--vendor", "cpu", "--set", "compiler=null", "--set", "repeat=1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"digits on cpu/pytorch_2.13: (OK|TAINTED)", done.stdout)
    assert "validation_core" in done.stdout
    result = json.loads((project.folder.parent / "log" / "result.json").read_text())
    assert result["validation"]["accuracy"] == pytest.approx(0.98, abs=0.02)


def test_a_case_by_hand_that_cannot_be_configured_is_exit_2(project):
    done = by_hand(project, "--case", "digit", "--vendor", "cpu")
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (2, False)
    assert "configs/digit/configurations.yaml: no such file" in done.stdout
