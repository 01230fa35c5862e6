"""A vendor that nobody has heard of: the files of docs/adding-a-vendor.md, word for word, run in their container."""

import json
import os
import re

import pytest
from run_fixtures import CHECKOUT, MEASURED, quick
from test_monitors import FLAGPERF_ANALYSIS, FLAGPERF_STYLE, tool
from toy import add_case

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PARTS = {
    "docker_images/acme/pytorch_2.13/Dockerfile": "ARG BASE_IMAGE",
    "inference_engine/acme/acmert.py": "class InferModel",
    "docker_images/acme/acme_monitor.py": "def parse(",
    "docker_images/acme/chips.yaml": "peak_flops:",
    "docker_images/acme/acme_analysis.py": "def analysis_log(",
    "configs/digits/vendor_config/acme_configurations.yaml": "acme_streams: 2",
}
"""The files that the page builds, and what is in their block of it alone."""

ACME_SMI = 'echo "0, Acme X1, 1024, 32768, 42, 118.5, 61"\necho "1, Acme X1, 12, 32768, 0, N/A, 40"'
UNTIL_IT_HAS_READ = """
import os, time
while not os.path.exists(config.log_dir + "/old_monitor.log"):
    time.sleep(0.05)
"""
MIB = 2**20


def block(page, words):
    """The one block of the page that has these words."""
    [text] = [text for _, text in BLOCK.findall(page) if words in text]
    return text


@pytest.fixture
def acme(container_project):
    """The page's vendor in a project; this machine's own packages stand in for what its image would install."""
    page = (CHECKOUT / "docs" / "adding-a-vendor.md").read_text()
    for name, words in PARTS.items():
        container_project.write(name, block(page, words))
    container_project.write("docker_images/acme/pytorch_2.13/requirements.txt", "")
    tools = container_project.folder.parent / "tools"
    tools.mkdir()
    tool(tools, "acme-smi", ACME_SMI)
    container_project.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    return container_project


@pytest.fixture
def acme_images(docker_client):
    yield
    for image in docker_client.images.list(filters={"label": "accelmark.vendor=acme"}):
        docker_client.images.remove(image.id, force=True)


def test_the_documentation_s_vendor_runs_in_its_container(acme, acme_images):
    acme.host_yaml(**{**acme.docker, "VENDOR": "acme", "CASES": {"digits:pytorch_2.13": "embedded"}, "MONITOR_INTERVAL": 0.1})
    run = acme.run("run", *quick())
    assert run.status == 0, run.output
    case = run.case()
    assert case["status"] in MEASURED, case["reasons"]
    assert (case["notes"], case["vendor"], case["compiler"]) == ([], "acme", "acmert")
    assert case["engine"]["engine"].startswith("onnxruntime ")
    assert case["config"]["acme_streams"]["value"] == 2
    assert case["environment"]["container"]
    assert case["monitors"][0]["devices"] == ["0: Acme X1", "1: Acme X1"]
    metrics = case["metrics"]
    assert (metrics["memory"]["device_used_max_bytes"], metrics["memory"]["device_total_bytes"]) == (1036 * MIB, 64 * 1024 * MIB)
    assert (metrics["power"]["mean_watts"], metrics["utilisation"]["mean"], metrics["peak_flops"]) == (118.5, 21.0, 32e12)
    assert metrics["mfu"] == pytest.approx(metrics["inference_core"] * metrics["flops_per_item"] / 32e12)
    assert metrics["accuracy_inference"] == metrics["accuracy_validation"] == pytest.approx(0.98, abs=0.02)
    assert "acme/acmert" in run.output
    log = acme.results / "latest/digits:pytorch_2.13/127.0.0.1_noderank0/acme_monitor.log"
    assert json.loads(log.read_text().splitlines()[0])["interval"] == 0.1


def test_a_vendor_s_monitor_and_analysis_of_flagperf_s_are_taken_as_they_are(project):
    temporary = str(project.folder.parent)
    project.write("docker_images/old/old_monitor.py", FLAGPERF_STYLE.format(temporary=temporary))
    project.write("docker_images/old/old_analysis.py", FLAGPERF_ANALYSIS)
    project.host_yaml(VENDOR="old", CASES=add_case(project, "toy", vendor="old", compile=UNTIL_IT_HAS_READ))
    run = project.run()
    assert run.status == 0, run.output
    metrics = run.case("toy")["metrics"]
    assert (metrics["memory"]["device_used_max_bytes"], metrics["memory"]["device_total_bytes"]) == (2048 * MIB, 16384 * MIB)
    assert metrics["peak_flops"] == 24e12
    assert run.case("toy")["engine"]["engine"] == "toy 1.0"
