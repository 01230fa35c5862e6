"""How far outputs are from a reference's, and what that says."""

import json

import numpy as np
import pytest

from tools.contract import to_json
from tools.difference import COSINE_FLOORS, EDGES, difference, verdict
from tools.errors import CaseCrash

PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def outputs(queries=45, items=8, scores=10, seed=0):
    """What a classifier returns: per query one array of scores."""
    random = np.random.default_rng(seed)
    return [[random.normal(0, 5, (items, scores)).astype(np.float32)] for _ in range(queries)]


def changed(reference, change):
    return [[change(number, output.copy()) for output in query] for number, query in enumerate(reference)]


def noisy(reference, relative):
    random = np.random.default_rng(1)
    return changed(reference, lambda _, output: output + random.normal(0, relative * 5, output.shape))


def kinds(engine, reference, precision):
    return [reason.kind for reason in verdict(difference(engine, reference, "torch"), precision)]


def compare(engine, reference):
    return difference([[np.array(engine)]], [[np.array(reference)]], "torch")


def test_the_figures_are_those_of_the_textbook():
    found = compare([1.5, 2.0, -4.0, 0.25], [1.0, 2.0, -2.0, 0.0])
    assert (found.elements, found.queries, found.scale) == (4, 1, 2.0)
    assert (found.mean_absolute, found.p999_absolute, found.max_absolute) == (0.6875, 2.0, 2.0)
    assert (found.mean_relative, found.max_relative) == (0.5, 1.0)
    assert found.cosine == pytest.approx(13.5 / np.sqrt(22.3125 * 9))


def test_figures_of_many_blocks_are_those_of_the_whole():
    random = np.random.default_rng(2)
    reference = random.normal(size=(3, 200_000)).astype(np.float32)
    engine = reference + (10 ** random.uniform(-10, 3, reference.shape)).astype(np.float32)
    found = difference([[one] for one in engine], [[one] for one in reference], "torch")
    absolute = np.sort(np.abs(engine.astype(float) - reference).ravel())
    assert found.p999_absolute == absolute[int(np.ceil(absolute.size * 999 / 1000)) - 1]
    assert found.max_absolute == absolute[-1]
    assert found.mean_absolute == pytest.approx(absolute.mean())
    assert list(found.counts) == np.histogram(absolute, [*EDGES, np.inf])[0].tolist()


@pytest.mark.parametrize(("distance", "place"), [(0.0, 0), (1e-9, 0), (1e-7, 2), (0.5, 8), (1.0, 9), (100.0, 11), (1e30, 11)])
def test_a_difference_counts_in_its_decade(distance, place):
    assert compare([distance], [0.0]).counts.index(1) == place


def test_nan_and_infinities_are_counted_on_both_sides_and_the_rest_is_compared():
    found = compare([np.nan, np.inf, 1.0, 3.0], [1.0, np.inf, np.nan, 2.0])
    assert (found.nan, found.infinite, found.reference_nan, found.reference_infinite) == (1, 1, 1, 1)
    assert (found.max_absolute, sum(found.counts)) == (1.0, 1)


def test_nothing_finite_leaves_no_figures_and_is_still_json():
    found = compare([np.nan], [np.inf])
    assert (found.mean_absolute, found.cosine, found.scale, found.max_relative) == (None, None, None, None)
    assert json.loads(to_json(found))["nan"] == 1


def test_histogram_edges_are_finite_and_one_for_each_count():
    found = compare([1.0], [1.0])
    assert np.isfinite(found.edges).all()
    assert len(found.edges) == len(found.counts) == 12


@pytest.mark.parametrize(("engine", "reference"), [((2, 10), (10, 2)), ((20,), (2, 10)), ((1, 10), (2, 10))])
def test_shapes_that_do_not_match_are_both_named(engine, reference):
    message = rf"shapes \[\[{', '.join(map(str, engine))}\]\], the reference's \[\[{', '.join(map(str, reference))}\]\]"
    with pytest.raises(CaseCrash, match=message):
        compare(np.zeros(engine), np.zeros(reference))


def test_another_number_of_outputs_or_queries_is_refused():
    with pytest.raises(CaseCrash, match="query 1: the engine's outputs have the shapes"):
        difference([[np.zeros(2)] * 2], [[np.zeros(2)]], "torch")
    with pytest.raises(CaseCrash, match="answered 1 queries, the reference 2"):
        difference([[np.zeros(2)]], [[np.zeros(2)]] * 2, "torch")


def test_without_an_element_there_is_no_difference_and_no_verdict():
    assert difference([], [], "torch") is None
    assert difference([[np.zeros((0, 4))]], [[np.zeros((0, 4))]], "torch") is None
    assert verdict(None, "fp32") == []


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int64", "bool"])
def test_tensors_of_every_type_are_taken(dtype):
    torch = pytest.importorskip("torch")
    with torch.inference_mode():
        tensor = torch.tensor([[0, 1], [1, 1]]).to(getattr(torch, dtype))
    found = difference([[tensor]], [[torch.tensor([[0.0, 1.0], [1.0, 1.0]])]], "torch")
    assert (found.max_absolute, found.elements) == (0.0, 4)


@pytest.mark.parametrize(("precision", "noise"), [*zip(PRECISIONS, (1e-7, 3e-4, 3e-3, 3e-2), strict=True)])
def test_an_honest_engine_has_no_reason(precision, noise):
    reference = outputs()
    assert kinds(noisy(reference, noise), reference, precision) == []


WRONG = {
    "permuted rows": lambda reference: changed(reference, lambda _, output: output[::-1]),
    "permuted scores": lambda reference: changed(reference, lambda _, output: np.roll(output, 1, axis=1)),
    "zeros": lambda reference: changed(reference, lambda _, output: output * 0),
    "negated": lambda reference: changed(reference, lambda _, output: -output),
    "stale": lambda reference: reference[-1:] + reference[:-1],
    "one query stale": lambda reference: [*reference[:20], reference[19], *reference[21:]],
    "one NaN": lambda reference: changed(reference, lambda n, o: np.where((n == 7) & (o == o.max()), np.nan, o)),
    "one infinity": lambda reference: changed(reference, lambda n, o: np.where((n == 7) & (o == o.max()), -np.inf, o)),
    "all NaN": lambda reference: changed(reference, lambda _, output: output * np.nan),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("fault", WRONG)
def test_wrong_outputs_are_told_in_every_precision(fault, precision):
    reference = outputs()
    assert kinds(WRONG[fault](reference), reference, precision) == ["wrong outputs"]


def test_one_wrong_output_among_several_larger_ones_is_told():
    reference = [[np.full((1, 1000), 640.0), np.array([[0.1, 0.9]])]]
    engine = [[np.full((1, 1000), 640.0), np.array([[0.9, 0.1]])]]
    assert kinds(engine, reference, "fp32") == ["wrong outputs"]


def masked(reference):
    return changed(reference, lambda _, output: np.where(output < -5, -np.inf, output))


def test_an_infinity_that_the_reference_has_too_may_be_a_masks():
    reference = masked(outputs())
    assert kinds(noisy(reference, 1e-7), reference, "fp32") == []


def test_as_many_infinities_in_other_places_or_of_another_sign_are_no_masks():
    elsewhere = changed(outputs(), lambda _, output: np.where(np.roll(output, 1, axis=1) < -5, -np.inf, output))
    assert kinds(elsewhere, masked(outputs()), "fp32") == ["wrong outputs"]
    other_sign = changed(outputs(), lambda _, output: np.where(output < -5, np.inf, output))
    assert kinds(other_sign, masked(outputs()), "fp32") == ["wrong outputs"]


def test_nan_is_wrong_whoever_else_has_it():
    reference = WRONG["one NaN"](outputs())
    assert kinds(reference, reference, "fp32") == ["wrong outputs"]
    (wrong,) = verdict(difference(reference, reference, "framework"), "fp32")
    assert wrong.message.startswith("of 3,600 values 1 are NaN, of the framework's 1; 0 are infinite")


@pytest.mark.parametrize("precision", PRECISIONS[1:])
@pytest.mark.parametrize("noise", [0.0, 1e-7, 2e-6])
def test_fp32_results_declared_as_another_precision_are_told(precision, noise):
    reference = outputs()
    assert kinds(noisy(reference, noise), reference, precision) == ["precision not active"]


def test_a_reason_says_how_far_off_it_is():
    reference = outputs()
    (wrong,) = verdict(difference(WRONG["zeros"](reference), reference, "framework"), "fp32")
    assert wrong.message == (
        "the outputs are not those of the framework: their cosine similarity is 0.0000 at worst, at least 0.9999 is expected"
    )
    (close,) = verdict(difference(reference, reference, "framework"), "bf16")
    assert close.message.startswith("bf16 was asked for, but no output differs from the framework by more than 0.0e+00")


def test_whole_numbers_say_nothing_of_the_precision():
    reference = [[np.arange(10)]]
    assert kinds(reference, reference, "bf16") == []


def test_an_output_that_is_all_zero_in_the_reference_has_no_direction_to_miss():
    assert kinds([[np.array([1e-9, 0.0])]], [[np.zeros(2)]], "fp32") == []


def test_every_precision_has_its_floor():
    assert tuple(COSINE_FLOORS) == PRECISIONS
