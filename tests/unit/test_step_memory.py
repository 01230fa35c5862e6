"""A step's memory is that of its own work on the model: not of a sweep or another study that follows in it."""

import pytest
from guest_project import Project
from own_process import alone

from tools import pipeline
from tools.contract import result_from_json
from tools.memory import status_bytes
from tools.pipeline import Request, run
from tools.steps import Steps

MEBI = 1 << 20

pytestmark = pytest.mark.skipif(status_bytes("VmRSS") is None, reason="no /proc")


@alone
def test_a_sweep_s_larger_batches_are_not_in_the_memory_of_the_case(tmp_path):
    project = Project(tmp_path)
    project.change_engine("self._config = config", "self._config = config\n        bytearray(config.batch_size << 25)")
    project.log_dir.mkdir()
    run(Request(project.root, str(project.data_dir), project.log_dir, "toy", "acme", "pytorch", ("batch_sizes=[4, 16]",)))
    result = result_from_json((project.log_dir / "result.json").read_text(encoding="utf-8"))
    compiled, measured = result.steps[4], result.steps[5]
    assert [point.batch_size for point in result.sweep] == [4, 16]
    assert measured.peak_memory_bytes < compiled.peak_memory_bytes + 64 * MEBI


@alone
def test_the_profile_of_the_validation_is_not_in_the_memory_of_the_case(tmp_path):
    project = Project(tmp_path)
    project.log_dir.mkdir()
    settings = ("profile=true", "compiler=null")
    profiles = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "profile_validation", lambda *_: profiles.append(len(bytearray(256 * MEBI))))
        result = run(Request(project.root, str(project.data_dir), project.log_dir, "toy", "acme", "pytorch", settings))
    prepared, validated = result.steps[1], result.steps[2]
    assert profiles == [256 * MEBI]
    assert validated.peak_memory_bytes < prepared.peak_memory_bytes + 64 * MEBI


@alone
def test_a_step_that_settles_its_peak_keeps_what_it_had_before():
    steps, began = Steps(), status_bytes("VmRSS")
    with steps.step("f"):
        bytearray(64 * MEBI)
        steps.settle_peaks()
        bytearray(256 * MEBI)
    with steps.step("g"):
        bytearray(128 * MEBI)
    model, summary = steps.results()[-2:]
    assert began + 60 * MEBI <= model.peak_memory_bytes < began + 120 * MEBI < summary.peak_memory_bytes
