"""For all tests: in CI a skipped test is a failure, since there everything that a test needs can be had."""

import os
import signal

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the threads of several workers would spin, each waiting for the others'

SHARED = {"broken_run", "digits_run", "evil_run", "racks"}
"""Fixtures that are long in the making, of one module each."""


def pytest_configure(config):
    """Let tests of signals find them as a terminal has them: a background job ignores SIGINT, and nohup SIGHUP, which children
    would inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items):
    """The quick tests first: a broken unit is known before an image is built. What shares an engine, or hosts, or what takes
    long to make, stays together."""
    order = ("unit", "contract", "architecture", "integration")
    items.sort(key=lambda item: next((place for place, name in enumerate(order) if f"tests/{name}/" in item.path.as_posix()), 0))
    for item in items:
        used = getattr(item, "fixturenames", ())
        if "lab" in used:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        elif "docker_engine" in used or "rootless" in used:
            item.add_marker(pytest.mark.xdist_group("engine"))
        elif SHARED.intersection(used):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _without_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _without_skips((yield))


def _without_skips(report):
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
