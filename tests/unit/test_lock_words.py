"""Who has a host, in words: what another process says of itself is shown, never believed."""

import json

from utils.lock import words

HOLDER = {"token": "t", "run": "run1", "host": "h", "user": "bench", "machine": "head", "pid": 7, "since": 0.0}
THERE = {"process": 99, "user_id": 1000}


def test_a_run_is_named_with_its_user_machine_process_and_time():
    said = words(json.dumps({**HOLDER, **THERE}))
    assert said == "run1 of bench@head since 1970-01-01 00:00:00 UTC (process 7 on head)"


def test_a_stranger_is_named_by_what_the_kernel_knows():
    assert words(json.dumps(THERE)) == "something that does not say who it is (process 99 of user id 1000 there)"
    assert words(json.dumps({"process": 0, "user_id": -1})).endswith("(a process of user id -1 there)")


def test_nonsense_is_no_claim():
    for wrong in ({"pid": "x"}, {"since": 1e300}, {"since": "nan"}, {"run": None, "pid": None}):
        assert "does not say who it is" in words(json.dumps({**HOLDER, **THERE, **wrong}))


def test_a_name_cannot_control_the_terminal_or_fill_it():
    said = words(json.dumps({**HOLDER, **THERE, "run": "\x1b[2J" + "x" * 5000, "user": "a\nb"}))
    assert "\x1b" not in said
    assert len(said) < 500
