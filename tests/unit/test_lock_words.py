"""Who has a host, in words: what another process says of itself is shown, never believed."""

import json

from utils.lock import words

HOLDER = {"token": "t", "run": "run1", "host": "h", "user": "bench", "machine": "head", "pid": 7, "since": 0.0}
THERE = {"process": 99, "user_id": 1000, "user_name": "me", "stranger": False}


def test_a_run_is_named_with_its_user_machine_process_and_time():
    said = words(json.dumps({**HOLDER, **THERE}))
    began = "run1 of bench@head since 1970-01-01 00:00:00 UTC (process 7 on head)"
    assert said == f"{began}, held by process 99 of user id 1000 (me) there"


def test_a_stranger_is_named_by_what_the_kernel_knows():
    nobody = "something that does not say who it is, held by"
    assert words(json.dumps(THERE)) == f"{nobody} process 99 of user id 1000 (me) there"
    assert words(json.dumps({"process": 0, "user_id": 7})) == f"{nobody} a process of user id 7 there"
    assert words("{}") == f"{nobody} a process that cannot be seen from there"


def test_another_user_s_claim_is_shown_with_who_can_end_it():
    said = words(json.dumps({**HOLDER, **THERE, "stranger": True}))
    assert said.endswith("held by process 99 of user id 1000 (me) there; if that is no run, root or user id 1000 (me) can end it")


def test_who_locked_the_folder_alone_is_in_another_container():
    said = words(json.dumps({"folder": "/srv/accelmark", **THERE, "process": 0, "user_id": -1}))
    assert said.startswith(
        "a run in another container or network namespace, which has /srv/accelmark too, held by a process that"
    )


def test_nonsense_is_no_claim():
    for wrong in ({"pid": "x"}, {"since": 1e300}, {"since": "nan"}, {"run": None, "pid": None}):
        assert "does not say who it is" in words(json.dumps({**HOLDER, **THERE, **wrong}))


def test_a_name_cannot_control_the_terminal_or_fill_it():
    said = words(json.dumps({**HOLDER, **THERE, "run": "\x1b[2J" + "x" * 5000, "user": "a\nb"}))
    assert "\x1b" not in said
    assert len(said) < 500
