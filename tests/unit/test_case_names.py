"""Keys of CASES: what of them names a case, and when two of them would be one."""

from pathlib import Path

import pytest

from tools.errors import ConfigError
from utils.planning import Request, plan_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def planned(tmp_path):
    """Makes a plan from a host.yaml with the given lines of CASES, the first of them line 5."""

    def plan(*cases, more="", **request):
        file = tmp_path / "host.yaml"
        lines = "".join(f'  "{case}": embedded\n' for case in cases)
        file.write_text(f"VENDOR: cpu\nHOSTS: [localhost]\nRUNTIME: process\nCASES:\n{lines}{more}")
        return plan_run(Request(file, **request), ROOT)

    return plan


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("digits:pytorch_2.13:a", "digits:pytorch_2.13:b"),
        ("digits:pytorch_2.13", "digits:pytorch_2.13:A100:1:8"),
        ("digits:pytorch_2.13a", "digits:pytorch_2.13A"),
    ],
)
def test_two_keys_with_one_folder_of_results_are_refused_with_both_lines(planned, one, other):
    with pytest.raises(ConfigError) as caught:
        planned("resnet50:pytorch_2.13", one, other)
    refusal = str(caught.value)
    assert f"host.yaml:7: CASES: '{other}' and '{one}' (" in refusal
    assert "host.yaml:6) have one folder of results: only <case>:<framework> counts" in refusal


def test_a_third_part_that_is_the_only_one_of_its_case_is_legal(planned):
    own = "HOST_OPTIONS: {localhost: {DATA: {'digits:pytorch_2.13:A100': /here}}}\n"
    plan = planned("digits:pytorch_2.13:A100", "resnet50:pytorch_2.13:A100:1:8", more=own)
    assert [case.name for case in plan.cases] == ["digits:pytorch_2.13", "resnet50:pytorch_2.13"]
    assert plan.on(plan.hosts[0]).cases[0].data_directory == "/here"


@pytest.mark.parametrize("name", ["digits", "digits:pytorch_2.13", "digits:pytorch_2.13:A100"])
def test_case_names_one_by_its_first_part_its_first_two_or_all(planned, name):
    plan = planned("digits:pytorch_2.13:A100", "resnet50:pytorch_2.13", cases=(name,))
    assert [case.case for case in plan.cases] == ["digits"]


def test_a_third_part_that_is_another_one_is_not_in_cases(planned):
    with pytest.raises(ConfigError, match=r"--case digits:pytorch_2.13:A10: not in CASES .* did you mean .*A100'"):
        planned("digits:pytorch_2.13:A100", cases=("digits:pytorch_2.13:A10",))
