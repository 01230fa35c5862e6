"""What an engine is asked to compute in, and what it computes in by its own report."""

import pytest

from tools.precision import as_it_ran


@pytest.mark.parametrize("name", ["u8", "i8", "int8", "uint8"])
def test_runtimes_names_become_ours(name):
    assert as_it_ran([name]) == {"precision": "int8", "precision_of_operators": {"int8": 1}}


def test_the_precision_of_most_operators_that_multiply_is_the_engines():
    assert as_it_ran(["u8", "f32", "i8"]) == {"precision": "int8", "precision_of_operators": {"int8": 2, "fp32": 1}}


def test_a_model_that_multiplies_nothing_has_no_precision():
    assert as_it_ran([])["precision"] is None


def test_an_unknown_type_keeps_its_name():
    assert as_it_ran(["f8e4m3"])["precision"] == "f8e4m3"
