"""Which items of a data set a run takes."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from tools.limits import limit_notes, limited, unlimited

DATA = list(range(1000))


def config(data_percent=100.0, max_samples=None):
    return SimpleNamespace(data_percent=data_percent, max_samples=max_samples)


def taken(data=DATA, **limits):
    found = limited(data, config(**limits))
    return [found[index] for index in range(len(found))]


def test_without_limits_it_is_the_data_set_itself():
    assert limited(DATA, config()) is DATA
    assert limited(DATA, config(max_samples=1000)) is DATA


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"data_percent": 10.0}, 100),
        ({"data_percent": 0.1}, 1),
        ({"data_percent": 0.0001}, 1),
        ({"max_samples": 7}, 7),
        ({"max_samples": 2000}, 1000),
        ({"data_percent": 10.0, "max_samples": 7}, 7),
        ({"data_percent": 10.0, "max_samples": 500}, 100),
    ],
)
def test_the_smaller_limit_counts_and_one_item_is_left_at_least(limits, count):
    assert len(taken(**limits)) == count


@pytest.mark.parametrize("count", [1, 3, 10, 333, 999])
def test_items_are_spread_evenly_and_come_once_in_their_order(count):
    found = taken(max_samples=count)
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert len(found) == count
    assert max(steps, default=0) - min(steps, default=0) <= 1
    assert found == sorted(set(found))


@pytest.mark.parametrize(("batches", "most", "said"), [(4, 12, True), (3, 12, False), (4, None, False), (iter(()), 1, False)])
def test_a_case_that_does_not_limit_its_data_is_noted(batches, most, said):
    loader = [None] * batches if isinstance(batches, int) else batches
    notes = limit_notes(loader, SimpleNamespace(max_samples=most, batch_size=4))
    expected = ("max_samples is 12, but a pass has 13 items or more: the case does not limit its data",)
    assert notes == (expected if said else ())


def test_an_empty_data_set_stays_empty():
    assert taken([], max_samples=3) == []


def test_the_whole_data_set_is_found_again():
    assert unlimited(limited(DATA, config(max_samples=3))) is DATA
    assert unlimited(DATA) is DATA
