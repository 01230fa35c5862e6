"""What FlagPerf's report asks of a cpu monitor's log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.monitoring.log import flagperf_values


def analysis_log(logpath: str) -> Tuple[float, float, float, float]:
    """Return (max used GiB, total GiB, peak fp32 FLOPS, peak fp16 FLOPS); a peak that is not known is 0."""
    return flagperf_values(Path(logpath), Path(__file__).with_name("chips.yaml"))


if __name__ == "__main__":
    print(analysis_log(sys.argv[1]))
