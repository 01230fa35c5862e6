"""What there is: cases, vendors, their frameworks and engines, found by the folders that are their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from tools.config_manager import load_yaml
from utils.tables import Grid


def inventory(checkout: Path) -> dict[str, Any]:
    """`{"cases": [{name, frameworks, data}], "vendors": [{name, frameworks, engines, monitor}]}`, sorted by name."""
    return {
        "cases": [_case(checkout, path.parent.name) for path in sorted((checkout / "configs").glob("*/configurations.yaml"))],
        "vendors": [_vendor(checkout, path.name) for path in sorted((checkout / "docker_images").iterdir()) if path.is_dir()],
    }


def print_inventory(found: dict[str, Any], console: Console) -> None:
    """Two tables: cases and vendors."""
    cases = _grid(console, "Cases", "case", "written in", "data built in", "adapted by")
    for case in found["cases"]:
        cases.add_row([case["name"], *map(_words, (case["frameworks"], case["builtin_data"], case["vendor_configs"]))])
    vendors = _grid(console, "Vendors", "vendor", "frameworks (images)", "engines", "monitor")
    for vendor in found["vendors"]:
        monitor = "yes" if vendor["monitor"] else "no"
        vendors.add_row([vendor["name"], _words(vendor["frameworks"]), _words(vendor["engines"]), monitor])
    for grid in (cases, vendors):
        grid.fit()
        console.print(grid.table)


def _grid(console: Console, title: str, *heads: str) -> Grid:
    grid = Grid(console, title=title)
    for head in heads:
        grid.add_column(head, is_text=True)
    return grid


def _case(checkout: Path, name: str) -> dict[str, Any]:
    folder = checkout / "configs" / name
    config = load_yaml(folder / "configurations.yaml").values
    return {
        "name": name,
        "frameworks": sorted(path.parent.name for path in (checkout / "benchmarks" / name).glob("*/__init__.py")),
        "builtin_data": list(config.get("builtin_data") or ()),
        "compiler": config.get("compiler"),
        "vendor_configs": sorted(
            path.name.removesuffix("_configurations.yaml") for path in folder.glob("vendor_config/*_configurations.yaml")
        ),
    }


def _vendor(checkout: Path, name: str) -> dict[str, Any]:
    folder = checkout / "docker_images" / name
    return {
        "name": name,
        "frameworks": sorted(path.parent.name for path in folder.glob("*/Dockerfile")),
        "engines": sorted(path.stem for path in (checkout / "inference_engine" / name).glob("[!_]*.py")),
        "monitor": (folder / f"{name}_monitor.py").is_file(),
    }


def _words(names: list[str]) -> str:
    return ", ".join(names) or "—"
