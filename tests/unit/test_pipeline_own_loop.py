"""The steps with a case that has a loop of its own and returns three numbers, as FlagPerf's do."""

from test_pipeline import measure_toy, project  # noqa: F401 - a fixture, which its users name again


def test_flagperfs_three_numbers_are_a_phase_without_latencies(project):  # noqa: F811
    project.change_case('return measure(engine, dataloader, forward, evaluator, config, "inference")', "return 10.0, 20.0, 0.5")
    result = measure_toy(project)
    assert (result.inference.whole, result.inference.core, result.inference.accuracy) == (10.0, 20.0, 0.5)
    assert result.inference.latency is None


def test_numbers_of_flagperfs_own_loop_over_outputs_that_are_none_are_invalid(project):  # noqa: F811
    loop = "for batch in dataloader: engine([batch.rows])\n    return 10.0, 20.0, 0.75"
    project.change_case('return measure(engine, dataloader, forward, evaluator, config, "inference")', loop)
    project.change_engine("return inputs, 0.0", "return [inputs[0] * float('nan')], 0.0")
    result = measure_toy(project)
    assert (result.status, result.reasons[0].kind) == ("INVALID", "wrong outputs")
    assert result.reasons[0].message.startswith("inference: NaN in the outputs of 4 of 4 items")
