"""Every CPU engine in every precision it has: accuracy, difference from the framework in fp32, and what it says of itself."""

import importlib
import threading

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("sklearn")
pytest.importorskip("safetensors")

from case_support import ROOT, case_config, has_bf16  # noqa: E402

from benchmarks.digits import pytorch as digits  # noqa: E402
from benchmarks.resnet50 import pytorch as resnet50  # noqa: E402
from tools.difference import difference, verdict  # noqa: E402
from tools.errors import ConfigError  # noqa: E402
from tools.framework_engine import FrameworkEngine  # noqa: E402

NEEDS = {"onnxruntime": "onnxruntime", "openvino": "openvino", "inductor": "torch", "torch": "torch"}
SLOW = pytest.mark.slow
EVERY = [
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("torch", "fp16"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    pytest.param("inductor", "fp32", marks=SLOW),
    pytest.param("inductor", "bf16", marks=SLOW),
    pytest.param("inductor", "fp16", marks=SLOW),
]


def build(engine, precision, config, model, onnx_path):
    pytest.importorskip(NEEDS[engine])
    if (engine, precision) == ("openvino", "int8"):
        pytest.importorskip("nncf")
    if (engine, precision) == ("openvino", "bf16") and not has_bf16():
        pytest.skip("this CPU has no bf16")
    settings = config._replace(compiler=engine, precision=precision)
    if engine == "torch":
        return FrameworkEngine(model, settings)
    return importlib.import_module("inference_engine.cpu." + engine).InferModel(settings, onnx_path, model)


def answers(engine, batches):
    return [engine(batch.inputs)[0] for batch in batches]


def doubts(engine, reference, batches, precision):
    return [reason.kind for reason in verdict(difference(answers(engine, batches), reference, "torch"), precision)]


def perf_dir(factory):
    folder = factory.mktemp("perf")
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return case_config("digits", perf_dir(tmp_path_factory), "embedded", repeat=1, warmup=0)


@pytest.fixture(scope="module")
def model(config):
    return digits.create_model(config)


@pytest.fixture(scope="module")
def onnx_path(config, model):
    return digits.export_model(model, config)


@pytest.fixture(scope="module")
def batches(config):
    return list(digits.build_dataloader(config))


@pytest.fixture(scope="module")
def reference(config, model, batches):
    return answers(FrameworkEngine(model, config), batches)


def accuracy(outputs, batches):
    scores = [digits.evaluator(output, batch) for output, batch in zip(outputs, batches, strict=True)]
    return sum(right for right, _ in scores) / sum(total for _, total in scores)


@pytest.mark.parametrize(("engine", "precision"), EVERY)
def test_a_precision_is_accurate_active_and_said(engine, precision, config, model, onnx_path, batches, reference):
    built = build(engine, precision, config, model, onnx_path)
    outputs = answers(built, batches)
    assert verdict(difference(outputs, reference, "torch"), precision) == []
    assert accuracy(outputs, batches) >= 0.99 * accuracy(reference, batches)
    assert built.describe()["precision"] == precision


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", pytest.param("inductor", marks=SLOW)])
def test_fp32_declared_as_bf16_is_told_by_its_outputs(engine, config, model, onnx_path, batches, reference):
    built = build(engine, "fp32", config, model, onnx_path)
    assert doubts(built, reference, batches, "bf16") == ["precision not active"]


def test_openvino_says_what_it_took_whether_or_not_the_cpu_has_what_was_asked_for(config, model, onnx_path, batches):
    openvino = pytest.importorskip("openvino")
    has_fp16 = "FP16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    built = build("openvino", "fp16", config, model, onnx_path)
    assert built(batches[0].inputs)[0][0].shape == (8, 10)
    assert built.describe()["precision"] in (("fp16",) if has_fp16 else ("bf16", "fp32"))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_of_another_precision_is_not_taken_for_what_was_asked(engine, config, model, onnx_path):
    file = build(engine, "int8", config, model, onnx_path).describe()["compiled_file"]
    given = build(engine, "fp32", config._replace(exist_compiler_path=file), model, onnx_path)
    assert given.describe()["precision"] == "int8"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_quantised_model_is_found_again_until_its_calibration_changes(engine, config, model, onnx_path):
    settings = config._replace(calibration_samples=16)
    build(engine, "int8", settings, model, onnx_path)
    assert build(engine, "int8", settings, model, onnx_path).describe()["compiled_file_cached"]
    other = build(engine, "int8", settings._replace(calibration_samples=17), model, onnx_path)
    assert not other.describe()["compiled_file_cached"]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_that_somebody_quantised_needs_no_calibration(engine, config, onnx_path, batches, reference, tmp_path):
    pytest.importorskip("onnxruntime")
    from inference_engine.cpu._onnxruntime_int8 import quantised

    with quantised(onnx_path, ["input"], config) as path:
        elsewhere = config._replace(perf_dir=str(tmp_path))  # where no case is
        built = build(engine, "int8", elsewhere, None, path)
    assert doubts(built, reference, batches, "int8") == []
    assert built.describe()["precision"] == "int8"


def flipped(onnx_path, target):
    """The same file, but for the top exponent bit of one weight."""
    found = onnx.load(onnx_path)
    weights = next(tensor for tensor in found.graph.initializer if len(tensor.dims) == 4)
    values = onnx.numpy_helper.to_array(weights).copy()
    values.view("uint32").flat[values.size // 2] ^= 1 << 30
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    onnx.save(found, str(target))
    return str(target)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_one_flipped_bit_of_one_weight_is_told(engine, config, model, onnx_path, batches, reference, tmp_path):
    broken = build(engine, "fp32", config, model, flipped(onnx_path, tmp_path / "model.onnx"))
    assert doubts(broken, reference, batches, "fp32") == ["wrong outputs"]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_engine_that_says_so_answers_several_threads_at_once(engine, config, model, onnx_path, batches):
    built = build(engine, "fp32", config, model, onnx_path)
    alone, right = answers(built, batches[:6]), []

    def client(number):
        for _ in range(30):
            right.append(torch.equal(built(batches[number].inputs)[0][0], alone[number][0]))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert built.describe()["concurrent"]
    assert right == [True] * 6 * 30


def test_inductor_does_not_claim_to_be_concurrent(config, model):
    assert build("inductor", "fp32", config, model, None).describe()["concurrent"] is False


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("onnxruntime", "bf16", "onnxruntime on cpu cannot compute in bf16 .*openvino and inductor compute in bf16"),
        ("onnxruntime", "fp16", r"cannot compute in fp16 \(supported: fp32, int8\)"),
        ("inductor", "int8", "cannot compute in int8 .*openvino and onnxruntime compute in int8"),
    ],
)
def test_a_precision_that_an_engine_cannot_be_asked_for_is_refused(engine, precision, message, config, onnx_path, model):
    with pytest.raises(ConfigError, match=message):
        build(engine, precision, config, model, onnx_path)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_resnet50_in_int8_is_still_resnet50(engine, tmp_path_factory):
    pytest.importorskip("transformers")
    settings = case_config(
        "resnet50", perf_dir(tmp_path_factory), "synthetic", batch_size=1, calibration_samples=4, max_samples=3
    )
    model = resnet50.create_model(settings)
    batches = list(resnet50.build_dataloader(settings))
    built = build(engine, "int8", settings, model, resnet50.export_model(model, settings))
    assert doubts(built, answers(FrameworkEngine(model, settings), batches), batches, "int8") == []
    assert built.describe()["precision_of_operators"] == {"int8": 54}
