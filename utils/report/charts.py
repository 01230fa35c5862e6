"""The page's charts as plotly.js figures in plain data: latencies of a case, and what its monitors saw over time."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.contract import LATENCIES_FILE
from utils.guest_files import open_plain
from utils.report.schema import CaseReport, SeriesReport, StepReport

Figure = dict[str, Any]
Nanoseconds = npt.NDArray[np.float64]

MOST_POINTS = 1000
MOST_BINS = 80
MOST_BYTES = 512 * 2**20
"""A latencies file that claims more than this once unpacked (64 million queries) is not opened: it comes from a guest."""

WIDE = 10.0
"""Latencies that are further apart than this factor are drawn on a logarithmic axis."""

NARROWEST_LABEL = 0.03
"""A step that took a smaller share of the time than this gets a band without its letter."""

INFERENCE, VALIDATION = "#0d9488", "#8b93a7"
DEVICES = (INFERENCE, "#d97706", "#6366f1", "#db2777", "#65a30d", "#0284c7", "#b45309", "#7c3aed")
MARGIN = {"l": 56, "r": 16, "t": 34, "b": 44}


def latencies(folder: Path) -> dict[str, Nanoseconds]:
    """Return a case's raw latencies (ns, in order) by phase; what is missing, or not such a file, is left out."""
    path = folder / LATENCIES_FILE
    try:
        with open_plain(path, MOST_BYTES) as stream:
            with zipfile.ZipFile(stream) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                    return {}
            stream.seek(0)
            arrays = np.load(stream, allow_pickle=False)
            found = {phase: arrays[f"{phase}_ns"] for phase in ("inference", "validation") if f"{phase}_ns" in arrays}
        return {phase: array.astype(np.float64) for phase, array in found.items() if array.ndim == 1 and array.size}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
        return {}


def latency_charts(measured: Mapping[str, Nanoseconds], names: Mapping[str, str]) -> list[Figure]:
    """Return the histogram and the cumulative distribution of `measured`; `names` are the phases' legends."""
    if not measured:
        return []
    colours = {"inference": INFERENCE, "validation": VALIDATION}
    shown = [(plain(names[phase]), colours[phase], array / 1e6) for phase, array in measured.items()]
    bars = [_histogram(name, colour, milliseconds) for name, colour, milliseconds in shown]
    everything = np.concatenate([milliseconds for _, _, milliseconds in shown])
    axis = "log" if everything.min() > 0 and everything.max() / everything.min() > WIDE else "linear"
    curves = [_cumulative(name, colour, milliseconds) for name, colour, milliseconds in shown]
    return [
        figure("Latency, histogram (up to p99.5)", bars, "ms per query", "% of queries", barmode="overlay", bargap=0),
        figure(
            "Latency, cumulative", curves, "ms per query", "% of queries at most", yaxis={"range": [0, 101]}, xaxis={"type": axis}
        ),
    ]


def monitor_charts(case: CaseReport) -> list[Figure]:
    """Return one chart for each quantity of each monitor, over seconds since the first step, with a band for each step."""
    ran = [step for step in case.steps if step.started is not None and step.seconds is not None]
    found = []
    for monitor in case.monitors:
        named = sorted((one for one in monitor.series if one.times), key=lambda one: (one.name, one.unit))
        for (name, unit), group in groupby(named, key=lambda one: (one.name, one.unit)):
            series = list(group)
            origin = ran[0].started if ran and ran[0].started is not None else series[0].times[0]
            found.append(_over_time(f"{_words(name)} ({monitor.monitor})", unit, series, ran, origin))
    return found


def _over_time(name: str, unit: str, series: Sequence[SeriesReport], steps: Sequence[StepReport], origin: float) -> Figure:
    scale, unit = (2**30, "GiB") if unit.lower() in ("b", "byte", "bytes") else (1, unit)
    traces = [_line(one, DEVICES[place % len(DEVICES)], origin, scale) for place, one in enumerate(series)]
    bands = [_band(place, step, origin) for place, step in enumerate(steps)]
    total = sum(step.seconds or 0.0 for step in steps)
    labels = [_label(step, origin) for step in steps if (step.seconds or 0.0) > NARROWEST_LABEL * total]
    drawn = figure(name, traces, "seconds", unit, shapes=bands, annotations=labels, yaxis={"rangemode": "tozero"})
    drawn["layout"]["showlegend"] = len(traces) > 1
    return drawn


def _words(name: str) -> str:
    """`memory_used_bytes` as `memory used`; the unit stands at the axis."""
    return re.sub(r"_(bytes|percent|watts|celsius|mhz)$", "", name).replace("_", " ")


def _line(one: SeriesReport, colour: str, origin: float, scale: float) -> Figure:
    times = [round(time - origin, 2) for time in one.times]
    values = [float(f"{value / scale:.4g}") for value in one.values]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(one.device),
        "x": times,
        "y": values,
        "line": {"color": colour, "width": 1.6},
    }


def _band(place: int, step: StepReport, origin: float) -> Figure:
    begin = (step.started or origin) - origin
    shade = "rgba(128,136,150,0.13)" if place % 2 == 0 else "rgba(128,136,150,0.03)"
    end = begin + (step.seconds or 0.0)
    area = {"xref": "x", "yref": "paper", "x0": round(begin, 2), "x1": round(end, 2), "y0": 0, "y1": 1}
    return {"type": "rect", **area, "layer": "below", "line": {"width": 0}, "fillcolor": shade}


def _label(step: StepReport, origin: float) -> Figure:
    middle = (step.started or origin) - origin + (step.seconds or 0.0) / 2
    place = {"x": round(middle, 2), "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
    return {**place, "text": plain(step.letter), "hovertext": plain(step.name), "font": {"size": 11}}


def _histogram(name: str, colour: str, milliseconds: Nanoseconds) -> Figure:
    """Without the slowest 0.5 %: one of them that is far off would leave a single bar. The cumulative curve has them all."""
    most = float(np.quantile(milliseconds, 0.995, method="higher"))
    bins = min(MOST_BINS, max(10, int(np.sqrt(milliseconds.size)) * 2))
    counts, edges = np.histogram(milliseconds, bins=bins, range=(float(milliseconds.min()), most))
    shares = [round(float(count) * 100 / milliseconds.size, 3) for count in counts]
    middles = [float(f"{middle:.6g}") for middle in (edges[:-1] + edges[1:]) / 2]
    width, marker = float(edges[1] - edges[0]), {"color": colour}
    return {"type": "bar", "name": name, "x": middles, "y": shares, "width": width, "opacity": 0.75, "marker": marker}


def _cumulative(name: str, colour: str, milliseconds: Nanoseconds) -> Figure:
    """Points are thinned evenly over the ranks, the last of which, the maximum, always stays."""
    ordered = np.sort(milliseconds)
    ranks = np.unique(np.linspace(0, ordered.size - 1, min(ordered.size, MOST_POINTS)).astype(int))
    shares = [round(float(rank + 1) * 100 / ordered.size, 4) for rank in ranks]
    line = {"color": colour, "width": 2, "shape": "hv"}
    values = [float(f"{value:.6g}") for value in ordered[ranks]]
    return {"type": "scatter", "mode": "lines", "name": name, "x": values, "y": shares, "line": line}


def figure(name: str, traces: Sequence[Figure], across: str, up: str, **layout: Any) -> Figure:
    """Return one chart in the page's style; `across` and `up` name the axes, `layout` is plotly's and goes before the style."""
    axis = {
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": "rgba(0,0,0,0)",
        "gridcolor": "rgba(128,136,150,0.25)",
        "title": {"font": {"size": 12}},
    }
    base = {
        "margin": MARGIN,
        "height": 250,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "hovermode": "x" if len(traces) > 1 else "closest",
        "xaxis": {**axis, "title": {"text": across, "font": {"size": 12}, "standoff": 6}, **layout.pop("xaxis", {})},
        "yaxis": {**axis, "title": {"text": plain(up), "font": {"size": 12}}, **layout.pop("yaxis", {})},
    }
    return {"name": name, "data": list(traces), "layout": {**base, **layout}}


def plain(text: str) -> str:
    """Return text that plotly, which reads a little HTML in its labels (links too), shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
