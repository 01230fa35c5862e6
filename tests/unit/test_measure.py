"""The one measuring loop, against engines and loaders of known duration."""

import math

import pytest
from loop_fakes import SECOND, FakeClock, FakeEngine, Loader, batches, config, half_right, once

from tools.errors import CaseCrash
from tools.measure import measure
from tools.progress import reported_to


def run(engine, loader, clock, forward=once, evaluator=half_right, **settings):
    return measure(engine, loader, forward, evaluator, config(**settings), "inference", clock=clock)


def test_warmup_is_not_measured():
    clock = FakeClock()
    engine = FakeEngine(clock, [100.0, 2.0, 2.0])  # the first call compiles
    phase = run(engine, batches(4, 4), clock, warmup=1, warmup_limit=1000).phase
    assert (phase.core_seconds, phase.whole_seconds) == (4.0, 4.0)
    assert (phase.queries, phase.warmup.queries, phase.warmup.stable) == (2, 4, True)


def test_warmup_repeats_the_first_batch_where_data_are_few():
    clock = FakeClock()
    assert run(FakeEngine(clock, [1.0]), batches(4), clock, warmup=10, warmup_limit=1000).phase.warmup.queries == 30


def test_loading_and_evaluating_count_for_whole_only():
    clock = FakeClock()

    def evaluator(outputs, batch):
        clock.advance(3.0)

    phase = run(FakeEngine(clock, [2.0]), Loader(batches(4), clock, 5.0), clock, evaluator=evaluator).phase
    assert (phase.core_seconds, phase.whole_seconds) == (2.0, 10.0)
    assert (phase.core, phase.whole) == (2.0, 0.4)


def test_padding_is_not_counted():
    clock = FakeClock()
    phase = run(FakeEngine(clock, [1.0]), batches(4, 1), clock).phase
    assert (phase.items, phase.core) == (5, 2.5)


def test_accuracy_is_over_all_items_not_a_mean_of_batches():
    clock = FakeClock()
    scores = iter([4.0, 0.0])
    phase = run(FakeEngine(clock, [1.0]), batches(4, 1), clock, evaluator=lambda outputs, batch: next(scores)).phase
    assert phase.accuracy == 0.8


def test_an_evaluator_may_count_other_than_items():
    clock = FakeClock()
    phase = run(FakeEngine(clock, [1.0]), batches(4, 4), clock, evaluator=lambda outputs, batch: (3, 10)).phase
    assert phase.accuracy == 0.3


def test_without_truth_there_is_no_accuracy():
    clock = FakeClock()
    assert run(FakeEngine(clock, [1.0]), batches(4), clock, evaluator=lambda outputs, batch: None).phase.accuracy is None
    assert run(FakeEngine(clock, [1.0]), batches(4), clock, evaluator=None).phase.accuracy is None


def test_an_accuracy_that_is_no_number_is_handed_on_as_it_is():
    clock = FakeClock()
    phase = run(FakeEngine(clock, [1.0]), batches(4), clock, evaluator=lambda outputs, batch: float("nan")).phase
    assert math.isnan(phase.accuracy)


def test_a_case_may_query_many_times_for_one_batch():
    clock = FakeClock()

    def sampler(sut, batch, config):
        latents = batch.rows
        for _ in range(5):
            clock.advance(7.0)
            (latents,) = sut([latents])
        return latents

    phase = run(FakeEngine(clock, [1.0]), batches(4, 4), clock, forward=sampler, warmup=1, warmup_limit=1000).phase
    assert (phase.queries, phase.core_seconds, phase.whole_seconds) == (10, 10.0, 80.0)
    assert phase.warmup.queries == 15


def test_passes_go_on_until_there_is_enough_core_time():
    clock = FakeClock()
    phase = run(FakeEngine(clock, [1.0]), batches(4, 4), clock, repeat=2, min_seconds=8.0).phase
    assert (phase.queries, phase.items) == (8, 32)


def test_measuring_ends_amid_a_pass_once_the_passes_asked_for_are_done_and_all_else_is_enough():
    clock = FakeClock()
    assert run(FakeEngine(clock, [1.0]), batches(4, 4, 4), clock, repeat=1, min_seconds=4.0).phase.queries == 4


def test_a_percentile_that_is_asked_for_gets_the_queries_it_needs():
    clock = FakeClock()
    latency = run(FakeEngine(clock, [1.0]), batches(4, 4), clock, percentiles=(50.0, 90.0)).phase.latency
    assert latency.count == 64
    assert {each.percent: each.latency_ns for each in latency.percentiles if each.latency_ns} == {50.0: SECOND, 90.0: SECOND}


def test_accuracy_is_over_the_passes_asked_for_alone():
    clock, seen = FakeClock(), []

    def first_two_are_right(outputs, batch):
        seen.append(batch)
        return batch.items if len(seen) <= 2 else 0

    phase = run(FakeEngine(clock, [1.0]), batches(4, 4), clock, evaluator=first_two_are_right, min_seconds=7.0).phase
    assert (phase.accuracy, len(seen)) == (1.0, 7)


def test_foo_time_is_taken_from_whole_and_core_and_reported():
    clock = FakeClock()
    phase = run(FakeEngine(clock, [1.5], foo=0.5), batches(4, 4), clock).phase
    assert (phase.core_seconds, phase.whole_seconds, phase.foo_seconds) == (2.0, 2.0, 1.0)
    assert [doubt.kind for doubt in phase.doubts] == ["foo_time"]


def test_the_loops_own_cost_is_measured_and_doubted_where_it_is_over_a_hundredth_of_a_query():
    clock = FakeClock()
    clock.cost = 30_000  # ns that reading the clock takes
    fast, slow = (run(FakeEngine(clock, [seconds]), batches(4, 4), clock).phase for seconds in (0.001, 0.01))
    assert (fast.overhead_ns, slow.overhead_ns) == (30_000, 30_000)
    assert ([doubt.kind for doubt in fast.doubts], slow.doubts) == (["overhead"], ())


def test_outputs_are_kept_without_their_padding_for_comparison():
    clock = FakeClock()
    measured = run(FakeEngine(clock, [1.0]), batches(4, 1), clock)
    assert [[list(tensor.shape) for tensor in query] for query in measured.outputs] == [[[4, 2]], [[1, 2]]]


def test_an_engine_with_a_reference_gives_that_ones_outputs_too():
    clock = FakeClock()
    engine = FakeEngine(clock, [1.0])
    engine.reference = lambda: FakeEngine(clock, [2.0])
    assert len(run(engine, batches(4, 4), clock).reference) == 2
    engine.reference = lambda: None
    assert run(engine, batches(4, 4), clock).reference is None


def test_a_measurement_unpacks_as_flagperfs_three_numbers():
    clock = FakeClock()
    whole, core, accuracy = run(FakeEngine(clock, [2.0]), batches(4), clock)
    assert (whole, core, accuracy) == (2.0, 2.0, 0.5)


def test_raw_latencies_are_kept_in_order():
    clock = FakeClock()
    measured = run(FakeEngine(clock, [3.0, 1.0, 2.0]), batches(4, 4, 4), clock)
    assert list(measured.latencies_ns) == [3 * SECOND, SECOND, 2 * SECOND]
    assert measured.phase.latency.max_ns == 3 * SECOND


def test_an_engine_that_takes_no_time_has_no_throughput():
    clock = FakeClock()
    assert run(FakeEngine(clock, [0.0]), batches(4), clock).phase.core is None


@pytest.mark.parametrize("warmup", [0, 1])
def test_a_data_set_without_a_batch_is_an_error(warmup):
    clock = FakeClock()
    with pytest.raises(CaseCrash, match="fewer items than batch_size"):
        run(FakeEngine(clock, [1.0]), [], clock, warmup=warmup)


def test_data_that_can_be_read_only_once_do_not_loop_for_ever():
    clock = FakeClock()
    with pytest.raises(CaseCrash, match="no batch"):
        run(FakeEngine(clock, [1.0]), iter(batches(4)), clock, repeat=2)


def test_a_forward_that_never_queries_is_an_error():
    clock = FakeClock()
    with pytest.raises(CaseCrash, match="did not call the SUT"):
        run(FakeEngine(clock, [1.0]), batches(4), clock, forward=lambda sut, batch, config: [batch.rows], warmup=1)


def test_a_wrong_number_of_outputs_names_both():
    clock = FakeClock()
    twice = lambda sut, batch, config: sut([batch.rows]) * 2
    with pytest.raises(CaseCrash, match=r"2 tensors \(\[4, 2\], \[4, 2\]\) came, 1 tensor expected"):
        run(FakeEngine(clock, [1.0]), batches(4), clock, forward=twice)


def test_a_wrong_batch_dimension_names_both():
    clock = FakeClock()
    flat = lambda sut, batch, config: [sut([batch.rows])[0].reshape(-1)]
    with pytest.raises(CaseCrash, match=r"\(\[8\]\) came, first dimension 4 expected"):
        run(FakeEngine(clock, [1.0]), batches(4), clock, forward=flat)


def test_progress_is_told_of_all_batches_to_come():
    clock, told = FakeClock(), []
    with reported_to(told.append):
        run(FakeEngine(clock, [1.0]), batches(4, 4), clock, repeat=3)
    assert (told[0].step, told[0].done, told[0].total, told[0].unit) == ("f", 1, 6, "batches")


def test_progress_is_told_twice_a_second_at_most():
    clock, told = FakeClock(), []
    with reported_to(told.append):
        run(FakeEngine(clock, [0.2]), batches(4) * 7, clock)
    assert [progress.done for progress in told] == [1, 4, 7]


def test_what_the_engine_says_of_itself_goes_with_the_numbers():
    clock = FakeClock()
    engine = FakeEngine(clock, [1.0])
    engine.describe = lambda: {"precision": "bf16"}
    assert run(engine, batches(4), clock).engine == {"precision": "bf16"}
