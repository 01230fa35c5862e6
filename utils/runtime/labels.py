"""The labels on every container and image of ours, and what they say about its owner. The only place that knows their names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import psutil

KIND, RUN, CASE = "accelmark.kind", "accelmark.run", "accelmark.case"
RANK, FOLDER = "accelmark.rank", "accelmark.folder"
VENDOR, FRAMEWORK = "accelmark.vendor", "accelmark.framework"
HOST, PID, PID_STARTED = "accelmark.host", "accelmark.pid", "accelmark.pid.started"
CONTAINER, IMAGE, STEP = "container", "image", "step"
"""Kinds: a case's container, an image, and the containers in which a build does its steps."""

CHOWN = "chown"
"""In place of a case: the container that only gives files to their owner."""


def container_labels(run_id: str, case: str, rank: int = 0, folder: str = "") -> dict[str, str]:
    """The labels of a case's container: which run it is of, its log folder, and which process on which machine started it."""
    return {
        KIND: CONTAINER,
        RUN: run_id,
        CASE: case,
        RANK: str(rank),
        FOLDER: folder,
        HOST: socket.gethostname(),
        PID: str(os.getpid()),
        PID_STARTED: _start_of(os.getpid()) or "",
    }


def image_labels(vendor: str, framework: str) -> dict[str, str]:
    """The labels of an image."""
    return {KIND: IMAGE, VENDOR: vendor, FRAMEWORK: framework}


def owner_lives(labels: Mapping[str, str]) -> bool:
    """Whether the process that started a container still runs on this machine. False for one that was started elsewhere."""
    if labels.get(HOST) != socket.gethostname() or not labels.get(PID, "").isdigit():
        return False
    return _start_of(int(labels[PID])) == labels.get(PID_STARTED)


def _start_of(pid: int) -> str | None:
    """When a process started, so that a reused process id is not taken for its former owner; None when it is gone."""
    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.NoSuchProcess:
        return None
