"""The steps with a framework whose weights lie somewhere: what that makes of a vendor's numbers."""

import pytest
from test_pipeline import measure_toy, project  # noqa: F401 - a fixture, which its users name again

from tools.contract import Device

WEIGHTS = """
    from types import SimpleNamespace
    model.parameters = lambda: [SimpleNamespace(device=SimpleNamespace(type="%s"))]
    return model
"""


@pytest.mark.parametrize(("place", "status"), [("cpu", "INVALID"), ("npu", "OK")])
def test_a_framework_that_ran_on_the_processor_gives_an_accelerator_s_vendor_no_numbers(project, place, status):  # noqa: F811
    project.change_case("    return model\n", WEIGHTS % place)
    result = measure_toy(project, "compiler=null")
    assert (result.status, result.validation.device) == (status, Device(place))
    assert [reason.kind for reason in result.reasons] == (["other device"] if place == "cpu" else [])


def test_an_engine_s_numbers_beside_a_reference_on_the_processor_are_in_doubt(project):  # noqa: F811
    project.change_case("    return model\n", WEIGHTS % "cpu")
    result = measure_toy(project)
    assert (result.status, [reason.kind for reason in result.reasons]) == ("TAINTED", ["other device of the reference"])
