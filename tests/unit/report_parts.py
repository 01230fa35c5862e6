"""What a result can have beside its phases, made by hand: difference, sweep, scenarios, audit, cost, peak, profiles."""

from __future__ import annotations

from typing import Any

from tools.contract import (
    Check,
    Cost,
    Difference,
    Interval,
    Latency,
    Operator,
    Peak,
    Percentile,
    Phase,
    Profile,
    Reason,
    Scenario,
    SweepPoint,
    WarmUp,
)

PERCENTILES = ((50.0, 1.0, 11), (90.0, 1.2, 64), (95.0, 1.3, 130), (99.0, 1.6, 662), (99.9, 2.0, 6636))
"""Each with its latency over the median's and the queries it needs."""

SWEEP = ((1, 9_800.0, 0.10), (4, 27_600.0, 0.145), (16, 52_100.0, 0.30), (64, 61_200.0, 1.05), (256, 62_900.0, 4.07))
"""Batch size, items per second, median in ms."""


def make_latency(count: int = 100, median_ms: float = 60.0) -> Latency:
    """Latencies of `count` queries; a percentile that needs more is withheld."""
    percentiles = [
        Percentile(
            percent,
            int(median_ms * factor * 1e6) if count >= needed else None,
            needed,
            int(median_ms * factor * 1.04e6) if count >= needed else None,
        )
        for percent, factor, needed in PERCENTILES
    ]
    return Latency(count, int(median_ms * 0.9e6), median_ms * 1.02e6, int(median_ms * 2.1e6), percentiles)


def make_phase(core: float, accuracy: float | None = None, count: int = 100, batch: int = 8) -> Phase:
    return Phase(
        core * 0.93,
        core,
        accuracy,
        items=count * batch,
        queries=count,
        whole_seconds=count * batch / core / 0.93,
        core_seconds=count * batch / core,
        core_interval=Interval(core * 0.991, core * 1.009),
        warmup=WarmUp(30, 1.9, first_ns=int(8.4e9 * batch / core), stable=True),
        overhead_ns=1_320.0,
        latency=make_latency(count, median_ms=1000 * batch / core),
    )


def make_difference(**changes: Any) -> Difference:
    values: dict[str, Any] = {
        "against": "framework in fp32",
        "queries": 29,
        "elements": 17_970,
        "mean_absolute": 2.1e-7,
        "p999_absolute": 1.9e-6,
        "max_absolute": 3.8e-6,
        "mean_relative": 1.4e-6,
        "max_relative": 8.3e-4,
        "cosine": 0.99999998,
        "nan": 0,
        "infinite": 0,
        "reference_nan": 0,
        "reference_infinite": 0,
        "edges": [0.0, *(10.0**power for power in range(-8, 3))],
        "counts": [1_515, 3_905, 9_740, 2_767, 43, 0, 0, 0, 0, 0, 0, 0],
        "lowest_cosine": 0.9999999,
        "scale": 18.6,
    }
    return Difference(**{**values, **changes})


def make_sweep() -> list[SweepPoint]:
    points = [
        SweepPoint(
            batch,
            1,
            "OK",
            Phase(core * 0.9, core, 0.9833, core_interval=Interval(core * 0.99, core * 1.01), latency=make_latency(900, median)),
            compile_seconds=0.4 + batch / 500,
            knee=batch == 16,
        )
        for batch, core, median in SWEEP
    ]
    return [*points, SweepPoint(1024, 1, "FAILED", detail="out of memory: 3.2 GiB were asked for, the limit is 4 GiB")]


def make_scenarios() -> list[Scenario]:
    verdict = "its verdict is INVALID: Performance constraints satisfied: no; lower target_qps"
    padded = "the case fills a query of one sample up to 64 samples, as batch_size says"
    settings = {
        "min_duration_ms": {"value": 600, "origin": "command line"},
        "min_query_count": {"value": 100, "origin": "loadgen"},
        "single_stream_expected_latency_ns": {"value": 141_000, "origin": "measured before the test"},
    }
    return [
        Scenario(
            "SingleStream", "performance", "OK", [], 171_204, "ns", True, 0.9833, make_latency(5_120, 0.14), 5120, 0.8,
            "loadgen/SingleStream", settings, {"Result is": "VALID", "90th percentile latency (ns)": "171204"}, [padded],
        ),
        Scenario(
            "Server", "FindPeakPerformance", "INVALID", [Reason("loadgen", verdict)], 4_100.0, "samples/s", False, 0.9833,
            make_latency(24_600, 3.1), 24600, 60.2, "loadgen/Server", {}, {"Result is": "INVALID"},
        ),
        Scenario(
            "Offline", "performance", "TAINTED", [Reason("foo_time", "the engine declared 0.014000 s of foo_time")],
            60_400.0, "samples/s", True, 0.9833, None, 65_536, 1.1, "loadgen/Offline", {}, {"Result is": "VALID"},
        ),
    ]  # fmt: skip


def make_audit() -> list[Check]:
    return [
        Check("same outputs in both modes", True, "1,797 of 1,797 outputs are equal in performance and accuracy mode"),
        Check("no caching", False, "a repeated sample took 0.071 ms, distinct ones 0.140 ms: 49 % faster, 10 % is allowed"),
        Check("order does not matter", None, "the case's data set has no order to change"),
    ]


def make_profiles() -> list[Profile]:
    shares = (
        ("aten::convolution", 320, 0.612),
        ("aten::batch_norm", 318, 0.183),
        ("aten::relu_", 294, 0.091),
        ("other", 99, 0.1),
    )
    operators = [Operator(name, calls, 4.2 * share, share) for name, calls, share in shares]
    return [
        Profile("validation", "torch.profiler", operators, "profile/validation.json"),
        Profile("inference", "openvino", operators[:2], "", "11 operators took no time that could be measured"),
    ]


def rich(precision: str = "fp32") -> dict[str, Any]:
    """All of it, as changes to a Result."""
    return {
        "compile_seconds": 1.84,
        "load_seconds": 0.21,
        "difference": make_difference(),
        "validation_difference": make_difference(against="framework in fp32", edges=(), counts=(), nan=2),
        "sweep": make_sweep(),
        "scenarios": make_scenarios(),
        "audit": make_audit(),
        "cost": Cost(2.1e6, 1.6e6),
        "peak": Peak(precision, 1.9e11, 2.4e10, "measured", "largest of 5 products of 2048 x 2048; copy of 512 MiB"),
        "profiles": make_profiles(),
    }
