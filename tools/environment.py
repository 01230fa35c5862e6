"""Facts about the machine and the software, as far as they shape the numbers; imports no framework."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, List, Optional

from tools.device import accelerator

PACKAGES = (
    "torch", "torchvision", "transformers", "diffusers", "numpy", "scikit-learn", "onnx", "onnxscript", "onnxruntime",
    "onnxruntime-gpu", "openvino", "nncf", "tensorrt", "torch-tensorrt", "triton", "mlcommons-loadgen", "PyYAML", "loguru",
)  # fmt: skip
"""Whose versions are reported where installed."""

VARIABLES = (
    "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "HOSTS", "HOSTS_PORTS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
VISIBLE_DEVICES = "ACCE_VISIBLE_DEVICE_ENV_NAME"
"""Holds the name of the variable that tells the vendor's runtime which devices to use, as host.yaml gives it."""


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
        "visible_devices": _visible_devices(),
        "host_port": host_port(os.environ.get("HOSTS_PORTS", ""), os.environ.get("RANK", "0")),
        "torch": _torch(),
    }


def versions() -> Dict[str, str]:
    """Versions of the packages that matter, of those that are installed."""
    found = {package: package_version(package) for package in PACKAGES}
    return {package: version for package, version in found.items() if version is not None}


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> Optional[str]:
    """The processor's name as the kernel gives it."""
    names = [line.partition(":")[2].strip() for line in _lines(cpuinfo) if line.startswith(("model name", "Model", "cpu model"))]
    return names[0] if names else platform.processor() or None


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What the processor can do, as the kernel gives it: a virtual machine may hide some of what its model has."""
    lines = _lines(cpuinfo)
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(("flags", "Features"))), "")


def host_port(ports: str, rank: str) -> Optional[int]:
    """The one of HOSTS_PORTS that is this host's (`2222`, or one for each host: `2222,2223`); None where there is none for it."""
    each = ports.split(",")
    mine = each[0] if len(each) == 1 else dict(enumerate(each)).get(int(rank) if rank.isdigit() else 0, "")
    return int(mine) if mine.isdigit() else None


def in_container(root: Path = Path("/")) -> bool:
    """Whether Docker or podman left its mark in the file system, or a service manager says so."""
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    return any(mark.exists() for mark in marks) or "container" in os.environ


def package_version(package: str) -> Optional[str]:
    """The installed version of a package; None where it is not installed. Nothing is imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _visible_devices() -> Optional[Dict[str, Optional[str]]]:
    """The variable that chooses devices and its value here, which is what the vendor's runtime obeys; None: none is named."""
    name = os.environ.get(VISIBLE_DEVICES)
    return {"variable": name, "value": os.environ.get(name)} if name else None


def _lines(path: Path) -> List[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _usable_cores() -> Optional[int]:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _memory_bytes() -> Optional[int]:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _torch() -> Dict[str, Any]:
    """Version, accelerator (as torch calls it; None: it can use none), threads and toolkit of torch, where it was imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    version = getattr(torch, "version", None)
    return {
        "version": str(torch.__version__),
        "accelerator": accelerator(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cuda": getattr(version, "cuda", None),
        "hip": getattr(version, "hip", None),
    }
