"""The case of docs/adding-a-case.md, word for word, run as the page says."""

import re

import pytest
from run_fixtures import CHECKOUT, MEASURED

FILE = re.compile(r"^`((?:benchmarks|configs)/iris/[^`]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def iris(project):
    """The page's case in a project: the files in its blocks, and what its overview says of the others."""
    page = (CHECKOUT / "docs" / "adding-a-case.md").read_text()
    files = dict(FILE.findall(page))
    assert len(files) == 5
    files["benchmarks/iris/__init__.py"] = re.search(r'one docstring: (""".*?""")', page).group(1) + "\n"
    files["benchmarks/iris/pytorch/requirements.txt"] = re.search(r"its packages: (\S+)", page).group(1) + "\n"
    for name, text in files.items():
        project.write(name, text)
    return project


def test_the_documentation_s_case_runs_and_is_right_about_most_flowers(iris):
    iris.host_yaml(CASES={"iris:pytorch_2.13": "embedded"})
    run = iris.run()
    assert run.status == 0, run.output
    case = run.case("iris")
    assert (case["status"] in MEASURED, case["compiler"], case["notes"]) == (True, "onnxruntime", [])
    metrics = case["metrics"]
    assert metrics["accuracy_inference"] == metrics["accuracy_validation"] > 0.85
    assert metrics["flops_per_item"] == 24
    assert {"p50", "p90", "p99"} <= set(metrics["latency"]["inference"]["percentiles"])
