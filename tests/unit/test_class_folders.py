"""Which class a folder of images stands for."""

import random

import pytest

from benchmarks.shared.class_folders import read_labels
from tools.errors import ConfigError

SYNSETS = [f"n{10_000_000 + 17 * number}" for number in range(1000)]


@pytest.fixture
def labels(tmp_path):
    def of(folders, num_classes=1000, listed=None):
        if listed is not None:
            (tmp_path / "list.txt").write_text("\n".join(listed) + "\n")
        shuffled = random.Random(0).sample(list(folders), len(folders))
        return read_labels(shuffled, tmp_path / "list.txt", num_classes)

    return of


@pytest.mark.parametrize("form", ["{}", "{:04}", "class_{}", "class {:03}", "{}_name", "{:03}.Bird 2"])
def test_folders_that_are_numbered_from_0_have_their_own_number_without_a_doubt(labels, form):
    found = labels([form.format(number) for number in range(1000)])
    assert found.indices == {form.format(number): number for number in range(1000)}
    assert found.doubt == ""


def test_synsets_are_in_sorted_order_without_a_doubt(labels):
    found = labels(SYNSETS)
    assert [found.indices[name] for name in SYNSETS] == list(range(1000))
    assert found.doubt == ""


def test_numbers_from_1_are_counted_from_0_and_that_is_said(labels):
    found = labels([str(number) for number in range(1, 1001)])
    assert (found.indices["1"], found.indices["2"], found.indices["1000"]) == (0, 1, 999)
    assert found.doubt.startswith("the folders '1' to '1000' stand for the classes 0 to 999, in the order of their numbers; LOC_")


def test_some_of_the_numbers_stay_what_they_are_and_that_is_said(labels):
    found = labels(["7", "12", "999"])
    assert found.indices == {"7": 7, "12": 12, "999": 999}
    assert found.doubt.startswith("3 folders stand for the classes that their numbers say, of the model's 1000; LOC_synset")


@pytest.mark.parametrize("folders", [SYNSETS[5:15], ["cat", "dog"], ["1", "cat"], ["n10000000", "7"], ["a1", "b2"]])
def test_fewer_folders_than_classes_stand_for_the_first_ones_and_that_is_said(labels, folders):
    found = labels(folders)
    assert found.indices == {name: place for place, name in enumerate(sorted(folders))}
    assert "stand for the model's first classes, in sorted order" in found.doubt


@pytest.mark.parametrize(("folders", "odd"), [(["cat", "dog"], "cat"), (["0", "cat"], "0"), (["7", "n10000000"], "7")])
def test_names_that_are_neither_synsets_nor_all_numbers_are_doubtful(labels, folders, odd):
    found = labels(folders, num_classes=2)
    assert sorted(found.indices.values()) == [0, 1]
    assert f"but '{odd}' is no synset like n01440764; LOC_synset_mapping.txt would say" in found.doubt


def test_a_list_says_it_all_and_one_that_is_too_short_is_doubtful(labels):
    whole = labels(["2", "n10000000"], num_classes=3, listed=["n10000000 fish", "x", "2 shark, white"])
    assert (whole.indices, whole.doubt) == ({"n10000000": 0, "2": 2}, "")
    assert "has 3 lines, which stand for the first of the model's 1000 classes" in labels(["2"], listed=["x", "y", "2"]).doubt


@pytest.mark.parametrize(
    ("folders", "listed", "message"),
    [
        (["0", "1", "2"], None, "3 classes, but the model has 2"),
        (["1", "01"], None, "' has the number of another one"),
        (["1_cat", "1_dog"], None, "' has the number of another one"),
        (["a"], ["a", "b", "c"], "3 classes, but the model has 2"),
        (["a"], ["b"], "the folder 'a' is not in the list"),
        (["a"], ["a", "a"], "the folder 'a' stands twice in the list"),
    ],
)
def test_folders_that_cannot_be_told_apart_are_refused(labels, folders, listed, message):
    with pytest.raises(ConfigError, match=message):
        labels(folders, num_classes=2, listed=listed)
