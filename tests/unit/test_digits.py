"""The case digits: its split, its weights, its numbers."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("safetensors")

from case_support import case_config  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from benchmarks.digits import pytorch as digits  # noqa: E402
from benchmarks.digits.pytorch import model as model_file  # noqa: E402
from benchmarks.digits.pytorch import train  # noqa: E402
from benchmarks.digits.pytorch.dataloader import split  # noqa: E402
from tools.errors import ConfigError  # noqa: E402


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return case_config("digits", tmp_path_factory.mktemp("perf"), "embedded", repeat=1, warmup=1, percentiles=())


def test_a_fifth_of_every_class_is_held_out_and_none_of_it_trained_with():
    (images, labels), (held_out, truth) = split()
    assert (len(images), len(held_out)) == (1438, 359)
    assert all(round((labels + truth).count(digit) * 0.2) == truth.count(digit) for digit in range(10))
    trained = {image.numpy().tobytes() for image in images}
    assert not trained & {image.numpy().tobytes() for image in held_out}


def test_images_are_grey_and_between_0_and_1(config):
    batches = list(digits.build_dataloader(config))
    assert sum(batch.items for batch in batches) == 359
    assert {tuple(batch.inputs[0].shape) for batch in batches} == {(8, 1, 8, 8)}
    assert max(batch.inputs[0].max().item() for batch in batches) == 1.0


def test_the_framework_gives_the_accuracy_that_the_weights_have(config):
    model, loader = digits.create_model(config), digits.build_dataloader(config)
    _, (images, labels) = split()
    right = (model(images).argmax(dim=1) == torch.tensor(labels)).sum().item()
    whole, core, accuracy = digits.model_forward(model, loader, digits.evaluator, config)
    assert accuracy == right / 359 > 0.98
    assert 0 < whole < core


@pytest.mark.parametrize(("limits", "count"), [({"max_samples": 50}, 50), ({"data_percent": 10.0}, 36)])
def test_limits_leave_images_of_every_class_and_accuracy_over_just_these(config, limits, count):
    limited = config._replace(**limits)
    model, loader = digits.create_model(limited), digits.build_dataloader(limited)
    labels = [int(label) for batch in loader for label in batch.labels[: batch.items]]
    right = sum(digits.evaluator([model(batch.inputs[0])], batch)[0] for batch in loader)
    assert (len(labels), set(labels)) == (count, set(range(10)))
    assert digits.model_forward(model, loader, digits.evaluator, limited).phase.accuracy == pytest.approx(right / count)


def test_flops_are_two_per_multiply_add(config):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        digits.create_model(config)(torch.zeros(1, 1, 8, 8))
    assert config.flops == counter.get_total_flops()


def test_it_runs_enough_queries_for_the_99_9th_percentile(tmp_path):
    shipped = case_config("digits", tmp_path, "embedded")
    assert 99.9 in shipped.percentiles


def test_another_data_directory_is_refused(config):
    with pytest.raises(ConfigError, match="set its data to 'embedded'"):
        digits.build_dataloader(config._replace(data_dir="elsewhere"))


def test_describe_names_the_metric_and_the_weights_hash(config):
    said = digits.describe(None, None, config)
    assert said["accuracy_metric"] == "top1"
    assert len(said["artifacts"]["weights"]["sha256"]) == 64


def test_training_leaves_weights_that_the_case_can_load(config, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "EPOCHS", 2)
    for module in (train, model_file):
        monkeypatch.setattr(module, "WEIGHTS", tmp_path / "weights.safetensors")
    with torch.random.fork_rng(devices=[]):
        train.main()
    _, (images, labels) = split()
    assert train.accuracy(digits.create_model(config), images, torch.tensor(labels)) > 0.5
