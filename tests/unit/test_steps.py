"""What the recorder of the steps says of one that was broken off."""

import pytest

from tools import steps
from tools.steps import StepFailed, Steps


def test_ctrl_c_at_the_moment_in_which_a_step_is_announced_finds_it_running(monkeypatch):
    def interrupted(progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "report", interrupted)
    record = Steps()
    with pytest.raises(StepFailed) as caught, record.step("c"):
        pass
    assert (caught.value.reason.kind, caught.value.reason.message) == (
        "INTERRUPTED",
        "step c (framework validation): interrupted",
    )
    outcomes = {result.letter: result.outcome for result in record.results()}
    assert (outcomes["b"], outcomes["c"], outcomes["d"]) == ("skipped", "failed", "skipped")
