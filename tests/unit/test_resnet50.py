"""The case resnet50: the model, its weights, when there is an accuracy."""

import functools

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")
Image = pytest.importorskip("PIL.Image")

from case_support import case_config  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from benchmarks.resnet50 import pytorch as resnet50  # noqa: E402
from benchmarks.resnet50.pytorch.model import ResNet50  # noqa: E402
from benchmarks.resnet50.pytorch.weights import transformers_names, weights_file  # noqa: E402
from tools.errors import ConfigError  # noqa: E402

STAGES = (3, 4, 6, 3)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return ResNet50(1000).eval()


@pytest.fixture
def images(tmp_path):
    """Three images in two classes."""
    for name in ("n01/a", "n01/b", "n02/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (300, 260), (10, 20, 30)).save(tmp_path / (name + ".JPEG"))
    return tmp_path


def config(perf_dir, data_dir="synthetic", **changes):
    return case_config("resnet50", perf_dir, data_dir, warmup=0, **changes)


def torchvision_names(state):
    """By hand, the other way round: what torchvision calls transformers' layers."""
    pairs = [("resnet.embedder.embedder.convolution", "conv1"), ("resnet.embedder.embedder.normalization", "bn1")]
    pairs += [("classifier.1", "fc"), ("shortcut.convolution", "downsample.0"), ("shortcut.normalization", "downsample.1")]
    for part in range(3):
        pairs.append(("layer.{}.convolution".format(part), "conv{}".format(part + 1)))
        pairs.append(("layer.{}.normalization".format(part), "bn{}".format(part + 1)))
    for stage, blocks in enumerate(STAGES):
        for block in range(blocks):
            pairs.append(("resnet.encoder.stages.{}.layers.{}.".format(stage, block), "layer{}.{}.".format(stage + 1, block)))
    return {functools.reduce(lambda text, pair: text.replace(*pair), pairs, name): tensor for name, tensor in state.items()}


def torchvision_resnet50(state, x):
    """ResNet-50 v1.5 written out with torchvision's names: the stride is in the 3x3 convolution."""

    def convolve(x, conv, bn, stride=1):
        weight = state[conv + ".weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        statistics = [state["{}.{}".format(bn, name)] for name in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *statistics)

    x = functional.max_pool2d(functional.relu(convolve(x, "conv1", "bn1", stride=2)), 3, stride=2, padding=1)
    for stage, blocks in enumerate(STAGES):
        for block in range(blocks):
            name, stride = "layer{}.{}.".format(stage + 1, block), 2 if stage and not block else 1
            shortcut = x if block else convolve(x, name + "downsample.0", name + "downsample.1", stride)
            x = functional.relu(convolve(x, name + "conv1", name + "bn1"))
            x = functional.relu(convolve(x, name + "conv2", name + "bn2", stride))
            x = functional.relu(convolve(x, name + "conv3", name + "bn3") + shortcut)
    return functional.linear(x.mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])


def test_it_is_resnet50_by_its_parameters(model):
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_557_032


def test_flops_are_two_per_multiply_add(model, tmp_path):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))
    assert counter.get_total_flops() == 8_178_368_512
    assert config(tmp_path).flops == pytest.approx(8_178_368_512, rel=1e-3)


def test_it_is_version_1_5_and_takes_torchvisions_weights(model):
    torchvision_state = torchvision_names(model.net.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), torchvision_resnet50(torchvision_state, images), rtol=1e-3, atol=1e-3)
    renamed = transformers_names(torchvision_state)
    assert list(renamed) == list(model.net.state_dict())


@pytest.mark.parametrize("naming", [dict, torchvision_names])
def test_weights_are_taken_from_safetensors(model, tmp_path, naming):
    safetensors.save_file(naming(model.net.state_dict()), str(tmp_path / "resnet50.safetensors"))
    loaded = resnet50.create_model(config(tmp_path, tmp_path))
    assert torch.equal(loaded.net.classifier[1].weight, model.net.classifier[1].weight)


def test_weights_are_taken_from_torchs_own_format(model, tmp_path):
    torch.save(model.net.state_dict(), tmp_path / "resnet50.pt")
    loaded = resnet50.create_model(config(tmp_path, tmp_path))
    assert torch.equal(loaded.net.classifier[1].weight, model.net.classifier[1].weight)


@pytest.mark.parametrize("content", [b"", b"garbage" * 9])
@pytest.mark.parametrize("name", ["resnet50.safetensors", "resnet50.pt"])
def test_a_file_that_holds_no_such_weights_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name + ": not the weights of ResNet-50"):
        resnet50.create_model(config(tmp_path, tmp_path))


def test_weights_of_another_model_are_refused(tmp_path):
    safetensors.save_file({"fc.weight": torch.zeros(2, 2)}, str(tmp_path / "resnet50.safetensors"))
    with pytest.raises(ConfigError, match=r"not the weights of ResNet-50: .*Missing key"):
        resnet50.create_model(config(tmp_path, tmp_path))


def test_without_a_file_weights_are_seeded_and_leave_the_random_state_alone(tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second = (resnet50.create_model(config(tmp_path)) for _ in range(2))
    assert torch.equal(first.net.classifier[1].weight, second.net.classifier[1].weight)
    assert torch.equal(torch.rand(1), expected)


def test_synthetic_images_are_the_same_every_time(tmp_path):
    settings = config(tmp_path, synthetic_images=3, batch_size=4)
    first, second = (resnet50.build_dataloader(settings) for _ in range(2))
    (batch,), (again,) = list(first), list(second)
    assert (batch.items, batch.labels) == (3, None)
    assert torch.equal(batch.inputs[0], again.inputs[0])
    assert batch.inputs[0].shape == (4, 3, 224, 224)


def test_synthetic_images_have_no_accuracy_and_it_is_said(tmp_path):
    settings = config(tmp_path)
    said = resnet50.describe(object(), resnet50.build_dataloader(settings), settings)
    assert said["accuracy_metric"] is None
    assert "weights: seeded initialisation (no resnet50.safetensors in synthetic): accuracy is not reported" in said["notes"]
    assert "data: 64 synthetic images: accuracy is not reported" in said["notes"]


def test_real_images_without_weights_are_measured_without_accuracy(images, model):
    settings = config(images, images)
    loader = resnet50.build_dataloader(settings)
    _, core, accuracy = resnet50.model_forward(model, loader, resnet50.evaluator, settings)
    assert (core > 0, accuracy) == (True, None)
    assert resnet50.describe(model, loader, settings)["accuracy_metric"] is None


def test_real_images_with_weights_have_an_accuracy_and_the_weights_hash(images, model):
    safetensors.save_file(model.net.state_dict(), str(images / "resnet50.safetensors"))
    settings = config(images, images)
    loader = resnet50.build_dataloader(settings)
    said = resnet50.describe(model, loader, settings)
    assert resnet50.model_forward(model, loader, resnet50.evaluator, settings).phase.accuracy is not None
    assert (said["accuracy_metric"], len(said["artifacts"]["weights"]["sha256"])) == ("top1", 64)
    assert said["notes"] == [
        "labels: 2 folders stand for the model's first classes, in sorted order; LOC_synset_mapping.txt would say which they are"
    ]


def test_an_onnx_file_of_the_users_own_counts_as_trained(images):
    settings = config(images, images, no_validation=True)
    said = resnet50.describe(None, resnet50.build_dataloader(settings), settings)
    assert (said["accuracy_metric"], said["artifacts"]) == ("top1", {})


def test_no_weights_file_is_found_for_synthetic_data():
    assert weights_file("synthetic") is None
