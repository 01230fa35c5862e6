"""A guest that failed before it knew its configuration: the report says what was asked for."""

from report_example import make_case, make_host, make_plan

from tools.contract import Reason, Result
from utils.report.build import case_report
from utils.report.words import conditions, engine


def failed_early(**changes):
    result = Result("resnet50", "pytorch_2.13", "cpu", status="FAILED", reasons=[Reason("CRASH", "no numpy")], **changes)
    return case_report(make_plan(), make_case(), make_host(), result)


def test_compiler_precision_and_batch_are_those_of_the_plan():
    report = failed_early()
    assert (engine(report), conditions(report)) == ("cpu/onnxruntime", "fp32, batch 8")
    assert report.config["compiler"]["origin"] == "command line"


def test_a_guest_that_knew_its_configuration_is_not_contradicted():
    asked = {"compiler": {"value": None, "origin": "guest"}}
    report = failed_early(precision="bf16", batch_size=2, config=asked)
    assert (engine(report), conditions(report)) == ("cpu/pytorch_2.13", "bf16, batch 2")
