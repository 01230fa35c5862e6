"""A case whose numbers are not those of the vendor's device: an idle card is monitored, and the processor computes."""

import os

import pytest
from run_fixtures import quick
from test_monitors import tool
from toy import add_case

IDLE_A100 = 'echo "0, NVIDIA A100-SXM4-40GB, 3, 40960, 0, 55.20, 31, 210, 0x0000000000000001"'


@pytest.fixture
def idle_card(project):
    """A project on a machine whose nvidia-smi shows a card that nothing uses; torch knows of none."""
    tools = project.folder.parent / "tools"
    tools.mkdir()
    tool(tools, "nvidia-smi", IDLE_A100)
    project.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    return project


def borrowed(case):
    """What a report would have of the monitored card, were it the one that computed."""
    figures = case["metrics"]
    of_device = [figures[name] for name in ("peak_flops", "mfu", "mfu_source", "roofline", "utilisation", "temperature")]
    memory = [figures["memory"][name] for name in ("device_used_max_bytes", "device_total_bytes")]
    return [one for one in [*of_device, *memory, *figures["power"].values()] if one is not None]


def told(case):
    return {reason["kind"]: reason["message"] for reason in case["reasons"]}


def measure(project, cases, *settings):
    project.host_yaml(VENDOR="nvidia", CASES=cases, MONITOR_INTERVAL=0.1)
    return project.run("run", *quick(min_seconds=1.0), *settings)


def test_a_framework_that_finds_no_card_gives_numbers_that_must_not_be_quoted(idle_card):
    run = measure(idle_card, {"digits:pytorch_2.5": "embedded"})
    case = run.case()
    assert (run.status, case["status"]) == (1, "INVALID"), run.output
    reasons = told(case)
    assert "ran on cpu, which is no device of vendor nvidia" in reasons["other device"]
    assert "labelled pytorch_2.5, but torch 2.13" in reasons["other framework"]
    assert case["metrics"]["phases"]["validation"]["device"] == {"kind": "cpu", "name": None}
    assert case["monitors"][0]["readings"]
    assert not borrowed(case)
    assert "A100" not in (idle_card.results / "latest/report.md").read_text()


def test_an_engine_that_does_not_say_its_device_is_not_believed_to_use_an_idle_card(idle_card):
    cases = add_case(idle_card, "toy", vendor="nvidia")
    path = idle_card.folder / "inference_engine/nvidia/toy.py"
    path.write_text(path.read_text().replace('"device": "none", ', ""))
    run = measure(idle_card, cases)
    case = run.case("toy")
    assert (run.status, case["status"]) == (0, "TAINTED"), run.output
    assert "NVIDIA A100-SXM4-40GB stood idle" in told(case)["idle device"]
    assert case["metrics"]["phases"]["inference"]["device"] is None
    assert not borrowed(case)
