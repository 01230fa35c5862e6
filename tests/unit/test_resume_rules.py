"""When a run may go on, and which of its cases run again."""

import dataclasses
import re
from pathlib import Path

import pytest
from report_example import make_case, make_case_report, make_plan

from tools.contract import Reason
from utils.planning import Request
from utils.record import MEASURING, fingerprint
from utils.report.build import failed_case
from utils.resume import differences, request_record, was_tried
from utils.runtime.masking import Masker


@pytest.fixture
def plan(tmp_path):
    """A plan whose code is one file."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "one.py").write_text("1")
    for name in ("benchmarks", "configs", "docker_images", "inference_engine", "utils"):
        (tmp_path / name).mkdir()
    for name in ("run_inference.py", "LICENSE"):
        (tmp_path / name).touch()
    return make_plan(tmp_path)


def changed(plan, **changes):
    return differences(fingerprint(plan), fingerprint(dataclasses.replace(plan, **changes)))


def failed(plan, kind):
    return failed_case(plan, plan.cases[0], plan.hosts[0], Reason(kind, "so it was"))


def test_a_run_that_would_measure_the_same_has_no_differences(plan):
    assert changed(plan) == []
    assert changed(plan, run_id="another", config_file=Path("elsewhere.yaml")) == []


def test_a_changed_key_of_host_yaml_is_named_with_both_values(plan):
    keys = {**plan.host_config, "SHM_SIZE": {"value": "16G", "origin": "configs/host.yaml:9"}}
    assert changed(plan, host_config=keys) == ["host.yaml: SHM_SIZE was '32G' and is '16G' now"]


def test_how_hosts_are_reached_and_for_how_long_may_change(plan):
    keys = {**plan.host_config, "SSH_PORT": {"value": 2222, "origin": "x"}, "CASE_TIMEOUT": {"value": 9, "origin": "x"}}
    assert changed(plan, host_config=keys) == []


def test_a_changed_setting_of_a_case_is_named(plan):
    config = {**plan.cases[0].config, "batch_size": {"value": 16, "origin": "--set"}}
    cases = (dataclasses.replace(plan.cases[0], config=config),)
    assert changed(plan, cases=cases) == ["resnet50:pytorch_2.13: batch_size was 8 and is 16 now"]


def test_a_case_that_came_or_went_is_named(plan):
    both = (*plan.cases, dataclasses.replace(make_case(), case="digits"))
    assert changed(plan, cases=both) == ["case digits:pytorch_2.13 is new"]
    assert changed(plan, cases=()) == ["case resnet50:pytorch_2.13 is no longer in CASES"]


def test_other_devices_are_a_difference(plan):
    assert changed(plan, environment={"CUDA_VISIBLE_DEVICES": "1"}) == [
        "the environment: CUDA_VISIBLE_DEVICES was None and is '1' now"
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("utils/report/words.py", "utils/dispatch.py", "benchmarks/README.md", "LICENSE"),
        *("docker_images/cpu/cpu_analysis.py", "docker_images/cpu/chips.yaml", "docker_images/other/other_monitor.py"),
    ],
)
def test_what_the_host_arranges_and_how_it_reports_may_be_mended(plan, name):
    before = fingerprint(plan)
    (plan.checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (plan.checkout / name).write_text("a mended word")
    assert differences(before, fingerprint(plan)) == []


@pytest.mark.parametrize("name", ["utils/monitoring/procfs.py", "utils/sys_monitor.py", "docker_images/cpu/cpu_monitor.py"])
def test_the_monitors_code_may_not_change(plan, name):
    before = fingerprint(plan)
    (plan.checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (plan.checkout / name).write_text("other readings")
    assert differences(before, fingerprint(plan)) == [f"the code: {name}"]


def test_all_that_a_monitor_imports_may_not_change():
    root = Path(__file__).parents[2]
    waiting, known = [root / "utils/sys_monitor.py", *root.glob("docker_images/*/*_monitor.py")], set()
    while waiting:
        path = waiting.pop()
        names = re.findall(r"^from (utils[\w.]*) import (\w+)", path.read_text(), re.MULTILINE)
        files = [
            root / f"{'/'.join(parts)}.py" for module, name in names for parts in (module.split("."), [*module.split("."), name])
        ]
        waiting += [file for file in files if file.is_file() and file not in known]
        known.add(path)
    names = {path.relative_to(root).as_posix() for path in known}
    assert {"utils/monitoring/base.py", "utils/monitoring/readings.py"} <= names
    assert [name for name in names if not name.startswith(MEASURING)] == []


def test_changed_code_is_named_by_its_file(plan):
    before = fingerprint(plan)
    (plan.checkout / "tools" / "one.py").write_text("2")
    (plan.checkout / "tools" / "two.py").touch()
    assert differences(before, fingerprint(plan)) == ["the code: tools/one.py, tools/two.py"]


@pytest.mark.parametrize("kind", ["INTERRUPTED", "HOST_LOST"])
def test_a_case_that_was_broken_off_is_missing(plan, kind):
    assert not was_tried(failed(plan, kind))


@pytest.mark.parametrize("kind", ["CRASH", "TIMEOUT", "OOM", "CONFIG", "IMAGE"])
def test_a_case_that_failed_by_itself_was_tried(plan, kind):
    assert was_tried(failed(plan, kind))


def test_a_measured_case_was_tried():
    assert was_tried(make_case_report())


def test_what_is_kept_of_the_command_line_means_the_same_from_everywhere():
    kept = request_record(Request(Path("configs/host.yaml"), ("digits",), "cpu", ("repeat=2",)), Masker())
    assert kept.config == str(Path("configs/host.yaml").resolve())
    assert (kept.cases, kept.vendor, kept.settings, kept.whole) == (["digits"], "cpu", ["repeat=2"], True)
