"""A profiled pass: by torch for the framework, by the engine's own profiler, or by neither."""

import json
import time
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from inference_engine.cpu._profiling import ProfiledRequest, of_second_half, profiled_session, second_pass, swapped  # noqa: E402
from tools.profiling import TOP, profile_engine, profile_framework, top  # noqa: E402
from tools.signal_stack import kept_signal_stack  # noqa: E402


@pytest.fixture
def convolve():
    """One pass of a small network, of which all is torch's."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 62 * 62, 10))
    image = torch.zeros(4, 3, 64, 64)

    def run():
        with torch.inference_mode():
            for _ in range(3):
                layers(image)

    run()
    return run


class Engine:
    """An engine with a profiler of its own."""

    def __init__(self, trace=True):
        self.trace = trace

    def describe(self):
        return {"engine": "fake 1.0"}

    def profile(self, run_once, folder):
        run_once()
        path = folder / "fake_2026.json"
        path.write_text("[]")
        return [("Conv", 53, 0.03), ("Add", 16, 0.01), ("Nothing", 1, 0.0)], path if self.trace else None


def test_the_framework_is_profiled_by_torch_and_leaves_a_chrome_trace(convolve, tmp_path):
    profile = profile_framework(convolve, tmp_path)
    by_name = {operator.name: operator for operator in profile.operators}
    assert (profile.phase, profile.by, profile.trace) == ("validation", "torch.profiler", "validation_trace.json")
    assert by_name["aten::addmm"].calls == 3
    assert 0.9 < sum(operator.share for operator in profile.operators) <= 1.0 + 1e-9
    names = {event.get("name") for event in json.loads((tmp_path / profile.trace).read_text())["traceEvents"]}
    assert "aten::addmm" in names


def test_the_dearest_operators_come_first_and_only_so_many():
    found = top([("op{}".format(place), 1, place / 1000) for place in range(2 * TOP)])
    assert [operator.name for operator in found] == ["op{}".format(place) for place in range(2 * TOP - 1, TOP - 1, -1)]
    assert found[0].share == pytest.approx(39 / sum(range(40)))
    assert top([]) == ()


def test_an_engines_own_profiler_is_asked_and_its_trace_kept_under_one_name(tmp_path):
    called = []
    profile = profile_engine(Engine(), lambda: called.append(1), tmp_path)
    assert called == [1]
    assert [(one.name, one.calls, one.share) for one in profile.operators] == [("Conv", 53, 0.75), ("Add", 16, 0.25)]
    assert (profile.phase, profile.by, profile.trace) == ("inference", "fake 1.0", "inference_trace.json")
    assert [path.name for path in tmp_path.iterdir()] == ["inference_trace.json"]


def test_an_engine_without_a_trace_says_so(tmp_path):
    profile = profile_engine(Engine(trace=False), lambda: None, tmp_path)
    assert (profile.trace, profile.detail) == ("", "the engine's profiler makes no trace")


def test_an_engine_that_runs_in_torch_needs_no_profiler_of_its_own(convolve, tmp_path):
    profile = profile_engine(object(), convolve, tmp_path)
    assert (profile.phase, profile.by) == ("inference", "torch.profiler")
    assert "aten::addmm" in {operator.name for operator in profile.operators}
    assert (tmp_path / profile.trace).exists()


def test_a_pass_that_was_held_up_between_its_operators_is_profiled_again(convolve, tmp_path):
    pauses = [0.5, 0.5, 0.0]

    def held_up():
        time.sleep(pauses.pop(0))
        for _ in range(100):  # long enough to lose little more to a busy machine
            convolve()

    profile = profile_engine(object(), held_up, tmp_path)
    by_name = {operator.name: operator for operator in profile.operators}
    assert (by_name["aten::addmm"].calls, profile.trace, pauses) == (300, "inference_trace.json", [])


def test_an_engine_that_torch_does_not_see_gets_no_table_of_trifles(tmp_path):
    def elsewhere():
        torch.zeros(1)
        time.perf_counter()
        sum(range(5_000_000))

    profile = profile_engine(object(), elsewhere, tmp_path)
    assert (profile.operators, profile.trace, list(tmp_path.iterdir())) == ((), "", [])
    assert profile.detail.startswith("the engine has no profile(), and torch.profiler sees")


TWO_PASSES = [[("Conv", 0.3), ("Relu", 0.1), ("Conv", 0.2)], [("Conv", 0.03), ("Relu", 0.01), ("Conv", 0.02)]]


def onnxruntime_trace(path, runs):
    """A trace as ONNX Runtime writes it: sessions and nodes, in microseconds; a run's own event comes after its nodes."""
    events, now = [{"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 10, "args": {}}], 100
    for run in runs:
        began = now
        for name, seconds in run:
            micros = round(seconds * 1e6)
            events.append({"cat": "Node", "name": "n_kernel_time", "ts": now + 1, "dur": micros, "args": {"op_name": name}})
            now += micros
        events.append({"cat": "Session", "name": "model_run", "ts": began, "dur": now - began, "args": {}})
        now += 5
    path.write_text(json.dumps(events))
    return path


def test_of_two_passes_of_onnxruntime_the_second_one_counts(tmp_path):
    trace = onnxruntime_trace(tmp_path / "trace.json", TWO_PASSES)
    assert of_second_half(trace) == [("Conv", 2, pytest.approx(0.05)), ("Relu", 1, pytest.approx(0.01))]


@pytest.fixture(scope="module")
def onnx_path(tmp_path_factory):
    """A convolution and a matrix product in one file."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    weights = [torch.ones(8, 3, 3, 3), torch.ones(8 * 30 * 30, 10)]
    initial = [numpy_helper.from_array(tensor.numpy(), name) for tensor, name in zip(weights, "kw", strict=True)]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [2, 3, 32, 32]), ("y", [2, 10]))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ports[:1], ports[1:], initial), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx.save(model, str(path))
    return str(path)


def zeros():
    return torch.zeros(2, 3, 32, 32).numpy()


def test_onnxruntimes_profiler_names_its_operators(onnx_path, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    plain = onnxruntime.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
    session = profiled_session(plain, onnx_path, tmp_path)
    spent, trace = second_pass(lambda: session.run(None, {"x": zeros()}), session)
    calls = {name: calls for name, calls, seconds in spent if seconds > 0}
    assert (trace.parent, calls["Conv"], calls["MatMul"]) == (tmp_path, 1, 1)
    assert not plain.get_session_options().enable_profiling


def test_onnxruntimes_trace_is_closed_after_a_pass_that_failed(onnx_path, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    plain = onnxruntime.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
    session = profiled_session(plain, onnx_path, tmp_path)
    with pytest.raises(ZeroDivisionError):
        second_pass(lambda: 1 / 0, session)
    assert json.loads(next(tmp_path.iterdir()).read_text())


def test_openvinos_profiler_names_its_operators_and_their_precision_and_lays_them_end_to_end(onnx_path, tmp_path):
    openvino = pytest.importorskip("openvino")
    properties = {"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": openvino.Type.f32, "INFERENCE_NUM_THREADS": 1}
    with kept_signal_stack():
        request = ProfiledRequest(openvino.Core().compile_model(onnx_path, "CPU", properties))

    def two_queries():
        for _ in range(2):
            request.infer([zeros()], share_inputs=True, share_outputs=False)

    spent, trace = request.second_pass(two_queries, tmp_path)
    (convolution,) = [one for one in spent if one[0].startswith("Convolution (")]
    assert convolution[0].endswith("f32)")
    assert (convolution[1], convolution[2] > 0) == (2, True)
    events = json.loads(trace.read_text())["traceEvents"]
    assert [event["ts"] for event in events[1:]] == pytest.approx([one["ts"] + one["dur"] for one in events[:-1]])
    assert sum(event["dur"] for event in events) == pytest.approx(1e6 * sum(seconds for _, _, seconds in spent))


@pytest.mark.parametrize("before", [{}, {"request": "plain"}])
def test_what_was_swapped_comes_back_also_after_an_error(before):
    owner = SimpleNamespace(**before)
    with pytest.raises(ZeroDivisionError), swapped(owner, "request", 0):
        1 / owner.request
    assert owner.request == before.get("request")
