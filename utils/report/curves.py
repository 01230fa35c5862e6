"""Charts of what stands behind a case's row: the sweep's throughput and latency, the difference's histogram, the roofline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

from utils.report.charts import DEVICES, INFERENCE, VALIDATION, Figure, figure
from utils.report.schema import CaseReport, DifferenceReport, SweepPointReport

KNEE_COLOUR = "#d97706"
RARE = 0.01
"""A bin with a smaller share than this is not seen beside full ones, so the axis becomes logarithmic."""


def section_charts(kind: str, case: CaseReport) -> list[Figure]:
    """Return the charts of a section of the page, by the `kind` that its table has."""
    makers: dict[str, Callable[[CaseReport], list[Figure]]] = {
        "sweep": sweep_charts,
        "difference": difference_charts,
        "roofline": roofline_charts,
    }
    return makers[kind](case) if kind in makers else []


def sweep_charts(case: CaseReport) -> list[Figure]:
    """Return latency over throughput, by clients and percentile; none of less than two points."""
    points = [point for point in case.sweep if point.core is not None and _latency(point, "p50") is not None]
    if len(points) < 2:
        return []
    several = len({point.clients for point in points}) > 1
    ordered = sorted(points, key=lambda point: (point.clients, point.batch_size))
    traces = []
    for place, (clients, group) in enumerate(groupby(ordered, key=lambda point: point.clients)):
        suffix, curve = f", {_clients(clients)}" if several else "", list(group)
        traces += [_curve(curve, name, f"{name}{suffix}", DEVICES[place % len(DEVICES)]) for name in ("p50", "p99")]
    drawn = [trace for trace in traces if trace["x"]]
    knee = [point for point in points if point.knee]
    drawn += [_knee(knee[0])] if knee else []
    top = {"rangemode": "tozero"}
    scale = (
        {"type": "log", "tickformat": ".3~g", "dtick": "D2"} if _wide([value for trace in drawn for value in trace["y"]]) else top
    )
    return [figure("Latency over throughput", drawn, "items per second, core", "ms per query", yaxis=scale, xaxis=top)]


def difference_charts(case: CaseReport) -> list[Figure]:
    """Return the histogram of the engine's absolute differences, and the framework's own, where there are counts."""
    pair = ((case.compiler or "engine", INFERENCE, case.difference), ("framework", VALIDATION, case.validation_difference))
    shown = [(name, colour, one) for name, colour, one in pair if one is not None and any(one.counts)]
    if not shown:
        return []
    bins = 2 + max(place for _, _, one in shown for place, count in enumerate(one.counts) if count)
    bars = [_bars(name, colour, one, bins) for name, colour, one in shown]
    least = min(share for bar in bars for share in bar["y"] if share)
    logarithmic = {"type": "log", "dtick": 1, "range": [math.floor(math.log10(least)), 2]}
    axis = logarithmic if least < 100 * RARE else {"rangemode": "tozero"}
    across = {"type": "category", "showgrid": False}
    drawn = figure(
        "Absolute difference, histogram", bars, "at least", "% of outputs", yaxis=axis, xaxis=across, bargap=0.08, hovermode="x"
    )
    drawn["layout"]["showlegend"] = len(bars) > 1
    return [drawn]


def roofline_charts(case: CaseReport) -> list[Figure]:
    """Return the roofline with the case's point below it; both axes are logarithmic."""
    position = case.metrics.roofline
    if position is None or position.achieved_flops is None:
        return []
    ends = (min(position.intensity, position.ridge) / 10, position.ridge, max(position.intensity, position.ridge) * 10)
    roof = [min(position.peak_flops, one * position.peak_bytes_per_second) / 1e9 for one in ends]
    line = {"color": VALIDATION, "width": 2.5}
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "roof",
            "x": list(map(_digits, ends)),
            "y": list(map(_digits, roof)),
            "line": line,
        },
        _point("attainable", position.intensity, position.attainable_flops, {"symbol": "circle-open", "color": VALIDATION}),
        _point("reached", position.intensity, position.achieved_flops, {"color": INFERENCE}),
    ]
    axis = {"type": "log", "tickformat": ".3~g", "dtick": "D2"}
    return [figure("Roofline", traces, "FLOP per byte", "GFLOP/s", xaxis=axis, yaxis=axis)]


def _point(name: str, intensity: float, flops: float, marker: Figure) -> Figure:
    place = {"x": [_digits(intensity)], "y": [_digits(flops / 1e9)]}
    return {"type": "scatter", "mode": "markers", "name": name, **place, "marker": {"size": 10, **marker}}


def _curve(points: Sequence[SweepPointReport], percentile: str, name: str, colour: str) -> Figure:
    measured = [(point, latency) for point in points if (latency := _latency(point, percentile)) is not None]
    first = percentile == "p50"
    return {
        "type": "scatter",
        "mode": "lines+markers+text" if first else "lines+markers",
        "name": name,
        "x": [_digits(point.core or 0.0) for point, _ in measured],
        "y": [_digits(latency) for _, latency in measured],
        "text": [f"{point.batch_size:,}" for point, _ in measured],
        "textposition": "bottom right",
        "textfont": {"size": 11},
        "hovertemplate": "batch %{text}: %{x:,.4~g} items/s, %{y:,.4~g} ms<extra>" + name + "</extra>",
        "line": {"color": colour, "width": 2, "dash": "solid" if first else "dot"},
        "marker": {"size": 7 if first else 5},
        "cliponaxis": False,
    }


def _knee(point: SweepPointReport) -> Figure:
    ring = {"size": 17, "symbol": "circle-open", "color": KNEE_COLOUR, "line": {"width": 2.5}}
    place = {"x": [_digits(point.core or 0.0)], "y": [_digits(_latency(point, "p50") or 0.0)]}
    return {"type": "scatter", "mode": "markers", "name": "knee", **place, "marker": ring, "hoverinfo": "skip"}


def _bars(name: str, colour: str, one: DifferenceReport, bins: int) -> Figure:
    """The first `bins` bins: those behind them are empty."""
    total = sum(one.counts)
    shares = [float(f"{100 * count / total:.4g}") for count in one.counts[:bins]]
    texts = [f"{count:,} outputs" for count in one.counts[:bins]]
    return {
        "type": "bar",
        "name": name,
        "x": _labels(one.edges)[: len(shares)],
        "y": shares,
        "hovertext": texts,
        "hovertemplate": "%{y:.3~g} %, %{hovertext}<extra></extra>",
        "marker": {"color": colour},
        "opacity": 0.85,
    }


def _clients(count: int) -> str:
    return f"{count:,} client" + ("" if count == 1 else "s")


def _labels(edges: Sequence[float]) -> list[str]:
    texts = [f"{edge:.0e}".replace("e-0", "e-").replace("e+0", "e+") for edge in edges]
    return [f"< {texts[1]}", *texts[1:]] if len(edges) > 1 and edges[0] == 0 else texts


def _latency(point: SweepPointReport, percentile: str) -> float | None:
    one = point.latency.percentiles.get(percentile) if point.latency else None
    return one.latency_ms if one else None


def _wide(values: Sequence[float]) -> bool:
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) > 20 * min(positive)


def _digits(value: float) -> float:
    return float(f"{value:.5g}")
