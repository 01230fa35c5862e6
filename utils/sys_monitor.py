"""The system monitor that runs beside every vendor's: the whole host's processors, memory and load, read from /proc."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Dict, List, Optional, Tuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from utils.monitoring.base import DeviceReading, Monitor, main


class SystemReader:
    """Reads Linux's /proc, which every host has: no library is needed on it.

    Utilisation is the share of processor time that was neither idle nor waiting for a disk since the reading before, so the
    first has none. Used memory is what is not available. Source: proc(5).
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before: Optional[Tuple[int, int]] = None

    def __call__(self) -> List[DeviceReading]:
        """Return one reading."""
        memory = self._memory()
        total = memory["MemTotal"]
        return [
            DeviceReading(
                index=0,
                name=platform.node() or None,
                memory_used_bytes=total - memory["MemAvailable"],
                memory_total_bytes=total,
                utilisation_percent=self._utilisation(),
                load_average=float((self._proc / "loadavg").read_text(encoding="ascii").split()[0]),
            )
        ]

    def _utilisation(self) -> Optional[float]:
        ticks = [int(text) for text in (self._proc / "stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
        now = (sum(ticks), ticks[3] + ticks[4])
        before, self._before = self._before, now
        if before is None or now[0] <= before[0]:
            return None
        return round(min(100.0, max(0.0, 100.0 * (1 - (now[1] - before[1]) / (now[0] - before[0])))), 1)

    def _memory(self) -> Dict[str, int]:
        lines = (self._proc / "meminfo").read_text(encoding="ascii").splitlines()
        return {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}


if __name__ == "__main__":
    sys.exit(main(Monitor("sys", SystemReader())))
