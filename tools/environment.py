"""Facts about the machine and the software, as far as they shape the numbers; standard library only."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, Optional

PACKAGES = (
    "torch", "torchvision", "transformers", "diffusers", "numpy", "scikit-learn", "onnx", "onnxscript", "onnxruntime",
    "onnxruntime-gpu", "openvino", "nncf", "tensorrt", "torch-tensorrt", "triton", "PyYAML", "loguru",
)  # fmt: skip
"""Whose versions are reported where installed."""

VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


def environment() -> Dict[str, Any]:
    """The facts by name; None, or no key, for what this machine does not tell."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_model": cpu_model(),
        "cpu_cores": os.cpu_count(),
        "cpu_cores_usable": _usable_cores(),
        "memory_bytes": _memory_bytes(),
        "container": in_container(),
        "packages": versions(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "torch": _torch(),
    }


def versions() -> Dict[str, str]:
    """Versions of the packages that matter, of those that are installed."""
    found = {package: _version(package) for package in PACKAGES}
    return {package: version for package, version in found.items() if version is not None}


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> Optional[str]:
    """The processor's name as the kernel gives it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model", "cpu model"))]
    return names[0] if names else platform.processor() or None


def in_container(root: Path = Path("/")) -> bool:
    """Whether Docker or podman left its mark in the file system, or a service manager says so."""
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    return any(mark.exists() for mark in marks) or "container" in os.environ


def _version(package: str) -> Optional[str]:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _usable_cores() -> Optional[int]:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _memory_bytes() -> Optional[int]:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _torch() -> Dict[str, Any]:
    """Threads and toolkit of torch, where this process has imported it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    version = getattr(torch, "version", None)
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cuda": getattr(version, "cuda", None),
        "hip": getattr(version, "hip", None),
    }
