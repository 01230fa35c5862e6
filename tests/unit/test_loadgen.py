"""What loadgen wrote, read: its summary, its metrics, its trace."""

import sys

import pytest

from tools.errors import CaseCrash, ConfigError
from tools.loadgen import load_library, metric, read_summary, traced_latencies

SINGLE = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : SingleStream
90.0th percentile latency (ns) : 1172626
Result is : VALID
  Min duration satisfied : Yes
  Early stopping satisfied: Yes
Early Stopping Result:
 * Processed at least 64 queries (407).
 * Would discard 25 highest latency queries.
 * Early stopping 90.0th percentile estimate: 1426804
 * Not enough queries processed for 99.0th percentile
 early stopping estimate (would need to process at
 least 662 total queries).

================================================
Additional Stats
================================================
QPS w/ loadgen overhead         : 811.17

Min latency (ns)                : 1051055
99.90 percentile latency (ns)   : 5319547

No warnings encountered during test.
"""

SERVER = """\
Scenario : Server
Completed samples per second    : 180.29
Result is : INVALID
  Performance constraints satisfied : NO
  Min duration satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
 * Reduce target QPS to improve latency.
Early Stopping Result:
 * Run unsuccessful.
 * Processed 93 queries.
 * Would need to run at least 366 more queries,
 with the run being successful if every additional
 query were under latency.
"""


def summary(folder, text):
    (folder / "mlperf_log_summary.txt").write_text(text)
    return read_summary(folder)


def test_a_summary_is_read_line_by_line_and_its_bullets_by_their_heading(tmp_path):
    found = summary(tmp_path, SINGLE)
    assert (found.valid, found.reasons) == (True, ())
    assert found.lines["Min latency (ns)"] == "1051055"
    assert found.lines["QPS w/ loadgen overhead"] == "811.17"
    assert found.lines["Early Stopping Result"].startswith("Processed at least 64 queries (407). Would discard 25")
    assert found.lines["Early Stopping Result"].endswith("least 662 total queries).")


def test_an_invalid_test_has_loadgens_own_reasons(tmp_path):
    found = summary(tmp_path, SERVER)
    assert not found.valid
    assert found.reasons[:2] == ("Performance constraints satisfied: no", "Early stopping satisfied: no")
    assert found.reasons[2] == "Reduce target QPS to improve latency."
    assert found.reasons[3].endswith("if every additional query were under latency.")


def test_a_summary_without_a_verdict_is_an_error_that_names_the_log(tmp_path):
    with pytest.raises(CaseCrash, match="mlperf_log_detail"):
        summary(tmp_path, "")


def test_single_streams_metric_is_the_percentile_that_early_stopping_proves(tmp_path):
    assert metric("SingleStream", summary(tmp_path, SINGLE).lines, 0.9) == (1426804.0, "ns")


def test_without_such_a_proof_it_is_the_percentile_itself(tmp_path):
    lines = {"90.0th percentile latency (ns)": "1172626", "Early Stopping Result": "Only processed 3 queries."}
    assert metric("SingleStream", lines, 0.9) == (1172626.0, "ns")


def test_server_and_offline_are_in_samples_per_second(tmp_path):
    assert metric("Server", summary(tmp_path, SERVER).lines, 0.99) == (180.29, "samples/s")
    assert metric("Offline", {"Samples per second": "349923"}, 0.0) == (349923.0, "samples/s")


def test_a_trace_gives_latencies_from_the_scheduled_arrival_and_goes(tmp_path):
    (tmp_path / "mlperf_log_trace.json").write_text(
        '{"traceEvents":[\n{"name":"Sample","ph":"b","args":{"sample_seq":0,"issue_start_ns":200,"complete_ns":1508296}},\n'
        '{"name":"Sample","ph":"e"},\n{"name":"Sample","ph":"b","args":{"issue_start_ns":99007,"complete_ns":1251013}},\n'
    )
    assert traced_latencies(tmp_path) == [1508296, 1251013]
    assert list(tmp_path.iterdir()) == []


def test_without_loadgen_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(ConfigError, match="pip install mlcommons-loadgen"):
        load_library()
