"""A test that runs alone."""

import os

import pytest
from own_process import alone


@pytest.fixture
def worker():
    """The process that runs the tests."""
    return os.getpid()


@alone
def test_a_test_alone_has_a_process_of_its_own(worker):
    assert os.getpid() != worker


@alone
def fails():
    raise KeyError("it failed")


def test_a_test_that_fails_alone_fails():
    with pytest.raises(KeyError, match="it failed"):
        fails()
