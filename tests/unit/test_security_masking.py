"""What is hidden in whatever is shown or kept, and what, looking alike, is not."""

import pytest

from utils.runtime.masking import Masker, clean, is_secret_name, masked, masker


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:se@cret@mirror/simple", "https://***@mirror/simple"),
        ("git+https://token@host/x", "git+https://***@host/x"),
        ("https://mirror/x?token=abc&page=2", "https://mirror/x?token=***&page=2"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("-e HF_TOKEN=abc -e X=1", "-e HF_TOKEN=*** -e X=1"),
        ('{"API_KEY": "abc"}', '{"API_KEY": "***"}'),
        ("DB_PASSWORD='abc def'", "DB_PASSWORD='*** def'"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, shown):
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=128 pad_token_id=0 num_key_value_heads=8",
        "--set KEY=VALUE",
        "MONKEY=1 AUTHOR=me MAX_TOKENS=9",
        "SSH_KEY=~/.ssh/id_ed25519",
        "https://mirror/a@b",
        "mail me@home",
        "TOKEN: the word",
    ],
)
def test_what_only_looks_alike_stays(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [("HF_TOKEN", True), ("db_password", True), ("API-KEY", True), ("AUTH", True), ("MAX_TOKENS", False), ("BASE_IMAGE", False)],
)
def test_a_name_says_whether_its_value_is_a_secret(name, secret):
    assert is_secret_name(name) is secret


def test_a_configuration_s_secrets_are_known_in_every_spelling():
    mask = masker(["https://me:p%40ss%2Fword@h/"], ["-e TOKEN=abcdefgh -eKEY=zzzzzzz", None], {"GH_TOKEN": 'quo"ted'})
    for secret in ("p@ss/word", "p%40ss%2Fword", "abcdefgh", "zzzzzzz", 'quo"ted', 'quo\\"ted'):
        assert secret not in mask(f"before {secret} after")


def test_a_short_secret_does_not_mask_its_letters_everywhere():
    mask = masker([], ["-e TOKEN=1"], {})
    assert mask("batch 1, TOKEN=1") == "batch 1, TOKEN=***"


def test_reports_are_masked_in_all_their_depth_and_keep_their_numbers():
    mask = Masker(("s3cret",))
    value = {"a": ["s3cret", {"s3cret": "x s3cret"}], "HF_TOKEN": "any", "n": 1.5, "none": None, "SSH_KEY": "~/.ssh/id"}
    hidden = {"a": ["***", {"***": "x ***"}], "HF_TOKEN": "***", "n": 1.5, "none": None, "SSH_KEY": "~/.ssh/id"}
    assert mask.everywhere(value) == hidden


def test_what_would_steer_a_terminal_is_taken_out():
    assert clean(" a\x1b[2Jb\r\nc\td\x9b\u202e ") == "ab\nc d"


def test_a_colour_hides_no_secret():
    assert masked("https://me:\x1b[31msecret\x1b[0m@mirror/") == "https://***@mirror/"
    assert Masker(("s3cret",))("pass s3c\x1b[0mret") == "pass ***"
