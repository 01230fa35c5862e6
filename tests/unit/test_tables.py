"""Tables in a narrow terminal: what is broken, where, and what is not."""

import io

import pytest
from report_example import (
    STARTED,
    example_report,
    make_case,
    make_case_report,
    make_host,
    make_phase,
    make_plan,
    make_report,
    make_result,
)
from report_parts import rich
from rich.console import Console
from rich.text import Text

from tools.streams import ERRORS
from utils.listing import print_inventory
from utils.report.build import build_report, case_report
from utils.report.terminal import print_report
from utils.tables import Grid, Wrapped, fullest

LONG = {"case": "stable_diffusion_v1_4", "compiler": "torch_tensorrt", "precision": "bf16", "batch_size": 1024}


def console(width):
    return Console(file=io.StringIO(), width=width)


def printed(renderable, width):
    shown = console(width)
    shown.print(renderable)
    return shown.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("cpu/onnxruntime", 14, ["cpu/", "onnxruntime"]),
        ("stable_diffusion_v1_4", 18, ["stable_diffusion_", "v1_4"]),
        ("FindPeakPerformance", 15, ["FindPeak", "Performance"]),
        ("digits:pytorch_2.13", 10, ["digits:", "pytorch_", "2.13"]),
        ("node0.rack1.example.org", 12, ["node0.rack1.", "example.org"]),
        ("4,100 samples/s", 14, ["4,100", "samples/s"]),
        ("power -13.0 %", 8, ["power", "-13.0 %"]),
        ("is ✗\u00a0INVALID", 10, ["is", "✗ INVALID"]),
        ("fp32, batch 8 on cpu/onnxruntime", 15, ["fp32, batch 8", "on", "cpu/onnxruntime"]),
        ("12,145,678.25", 6, ["12,145", ",678.2", "5"]),
        ("卡卡卡卡", 5, ["卡卡", "卡卡"]),
        ("", 5, [""]),
    ],
)
def test_text_is_broken_between_words_then_parts_of_names_and_a_number_only_without_room(text, width, lines):
    assert [line.plain for line in Wrapped(text, encoding="utf-8").at(width)] == lines


def test_a_grid_breaks_its_widest_column_before_any_word():
    grid = Grid(console(38))
    for head in ("engine", "mode", "items/s"):
        grid.add_column(head, is_text=head != "items/s")
    grid.add_row(["cpu/onnxruntime", "performance", "12,345"])
    assert (grid.fits(), grid.fit()) == (False, True)
    rows = [line.split() for line in printed(grid.table, 38) if line.strip()]
    assert rows[-2:] == [["cpu/", "performance", "12,345"], ["onnxruntime"]]


def test_the_fullest_layout_is_taken_that_fits_unbroken_else_with_names_broken():
    def make(shown, width):
        grid = Grid(console(width))
        for name in shown:
            grid.add_column(name, is_text=True)
        grid.add_row(["cpu/onnxruntime", *["12,345"] * (len(shown) - 1)])
        return grid

    wide, narrow = (("case", "one", "two"), ("case", "one")), (("case", "one"), ("case",))
    taken = {width: fullest(wide, narrow, lambda shown, width=width: make(shown, width))[1] for width in (40, 30, 23, 15)}
    assert taken == {40: wide[0], 30: wide[1], 23: wide[1], 15: narrow[1]}


@pytest.mark.parametrize(
    ("encoding", "lines"),
    [
        ("utf-8", ["±%", "—¹", "é…"]),
        ("ascii", ["+/-%", "-^1", "e..."]),
        ("gbk", ["±%", "—^1", "é…"]),
        ("iso8859-1", ["±%", "-¹", "é..."]),
    ],
)
def test_a_column_is_as_wide_as_what_its_encoding_shows(encoding, lines):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, ERRORS)
    grid = Grid(Console(file=stream, width=12))
    grid.add_column("±%")
    grid.add_row([Text.assemble(("—", "bold"), "¹")])
    grid.add_row(["é…"])
    Console(file=stream, width=12).print(grid.table)
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding).splitlines()
    assert [line.strip() for line in written if set(line) - set(" ─-")] == lines
    assert len({len(line.rstrip()) for line in written if set(line) - set(" ─-")}) == 1, "numbers end at one place"


def long_names(hosts=1):
    """A report of cases with long names, the last of them with all the tables there are."""
    if hosts == 1:
        fast = make_result(**LONG, validation=make_phase(1_812_345.1, 0.9), inference=make_phase(12_145_678.4, 0.9), **rich())
        return make_report(*example_report().cases, make_case_report(fast))
    targets = tuple(make_host(f"node{rank}.rack{rank}.datacenter.example.org", rank) for rank in range(hosts))
    plan, case = make_plan(hosts=targets), make_case(LONG["case"])
    cases = [case_report(plan, case, host, make_result(**LONG, **rich(), inference=make_phase(9e6, 0.9))) for host in targets]
    return build_report(plan, cases, STARTED, 60.0)


@pytest.mark.parametrize("hosts", [1, 3])
@pytest.mark.parametrize("width", [60, 70, 80, 90, 100, 120, 150])
def test_no_table_of_a_report_breaks_a_word_cuts_a_figure_off_or_is_too_wide(width, hosts):
    shown, report = console(width), long_names(hosts)
    print_report(report, shown)
    lines = shown.file.getvalue().splitlines()
    cells = {cell for line in lines for cell in line.split()}
    assert max(map(len, lines)) <= width
    assert not {"e", "on_v1_4", "ance", "rg", "orrt", "performanc"} & cells
    assert {"INVALID", "performance", "SingleStream"} <= cells
    assert "FindPeakPerformance" in cells or {"FindPeak", "Performance"} <= cells
    if hosts == 1:
        assert {"12,145,678", "1,812,345", "12.61", "63.40"} <= cells, "core and p99 are in the smallest layout"


def test_80_columns_have_room_for_the_usual_names_with_both_percentiles():
    shown = console(80)
    print_report(example_report(), shown)
    text = shown.file.getvalue()
    assert " cpu/onnxruntime " in text
    assert all(figure in text for figure in ("61,234", "7.54x", "0.9833", "1.045", "1.672"))


def test_the_inventory_is_wrapped_between_words():
    shown = console(60)
    engines = ["inductor", "onnxruntime", "openvino", "torch_tensorrt"]
    vendor = {"name": "cpu", "frameworks": ["pytorch_2.13"], "engines": engines, "monitor": True}
    print_inventory({"cases": [], "vendors": [vendor]}, shown)
    assert set(engines) <= {cell.strip(",") for line in shown.file.getvalue().splitlines() for cell in line.split()}
