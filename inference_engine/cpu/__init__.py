"""Engines for any CPU; the vendor that needs no accelerator."""

import sys

# `import openvino` and `import nncf` report to their makers over the network, from a process that is forked beside the
# measurement and waited for; without this package they do not (openvino 2026.4, nncf 3.4).
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
