"""What is kept of a command's output, and how it is cut into lines."""

from utils.connection.output import AfterMark, Lines, Tail


def fed(pieces):
    seen = []
    lines = Lines(seen.append)
    for piece in pieces:
        lines.feed(piece)
    lines.finish()
    return seen, lines


def test_a_line_is_handed_over_once_it_is_whole():
    seen, _ = fed([b"on", b"e\ntwo", b"\n"])
    assert seen == ["one", "two"]


def test_the_last_line_needs_no_line_end():
    seen, _ = fed([b"one\ntwo"])
    assert seen == ["one", "two"]


def test_a_character_cut_in_two_is_put_together():
    seen, _ = fed(["é".encode()[:1], "é\n".encode()[1:]])
    assert seen == ["é"]


def test_bytes_that_are_no_utf8_do_not_stop_the_output():
    seen, _ = fed([b"\xff\xfe ok\n"])
    assert seen == ["\ufffd\ufffd ok"]


def test_of_a_progress_bar_the_last_state_is_a_line():
    seen, _ = fed([b"1%\r2%\r", b"\n3%\r", b"\n4%\r5%"])
    assert seen == ["2%", "3%", "5%"]


def test_a_progress_bar_that_never_ends_a_line_is_not_kept_whole():
    bar = b"".join(b"%d%%\r" % number for number in range(100_000))
    seen, _ = fed([bar[:300_001], bar[300_001:], b"done\n"])
    assert seen == ["done"]


def test_colours_and_other_orders_to_a_terminal_are_not_handed_over():
    seen, lines = fed([b"\x1b[9", b"1mERROR\x1b[0m: no\n\x1b]0;title\x07  in\xc2\x9b1mdented\n"])
    assert seen == ["ERROR: no", "  indented"]
    assert "\x1b" not in lines.text()


def test_a_line_without_end_is_handed_over_in_parts():
    seen, _ = fed([b"x" * 50_000, b"x" * 50_000])
    assert [len(line) for line in seen] == [100_000]


def test_only_the_last_hundred_lines_are_kept():
    _, lines = fed([b"".join(b"%d\n" % number for number in range(250))])
    assert lines.text().splitlines() == [str(number) for number in range(150, 250)]


def test_the_tail_keeps_the_end_and_forgets_the_beginning():
    tail = Tail(limit=10)
    for number in range(100):
        tail.feed(b"%04d" % number)
    assert tail.text() == "009700980099"


def test_what_a_login_shell_prints_before_the_mark_is_dropped():
    seen = []
    stream = AfterMark(b"\x1eready\n", seen.append)
    for piece in (b"Welcome!\n\x1ere", b"ady\noutput", b" goes on"):
        stream.feed(piece)
    assert (stream.seen, b"".join(seen)) == (True, b"output goes on")


def test_without_the_mark_everything_is_noise():
    stream = AfterMark(b"\x1eready\n", lambda data: None)
    stream.feed(b"no such shell\n")
    assert (stream.seen, stream.noise) == (False, "no such shell\n")
