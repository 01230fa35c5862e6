"""What image classifiers share."""

import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from loop_fakes import config  # noqa: E402

from benchmarks.shared.classification import Batch, classify, make_loader, reference_device, top1  # noqa: E402
from tools.errors import CaseCrash  # noqa: E402
from tools.measure import check_outputs  # noqa: E402


def loader(count, batch_size, labelled=True, num_workers=0):
    data = [(torch.full((1, 2, 2), float(index)), index if labelled else None) for index in range(count)]
    return make_loader(data, config(vendor="cpu", batch_size=batch_size, num_workers=num_workers))


def batch(items=2, size=2, labels=(0, 1)):
    return Batch(items, [torch.zeros(size, 1, 2, 2)], torch.tensor(labels))


def test_every_image_comes_exactly_once_and_shapes_stay_static():
    batches = list(loader(7, batch_size=3))
    real = [image.mean().item() for each in batches for image in each.inputs[0][: each.items]]
    assert real == [0, 1, 2, 3, 4, 5, 6]
    assert [(each.items, each.size) for each in batches] == [(3, 3), (3, 3), (1, 3)]


def test_padding_repeats_the_batchs_own_images():
    last = list(loader(5, batch_size=3))[-1]
    assert last.inputs[0][:, 0, 0, 0].tolist() == [3, 4, 3]
    assert last.labels.tolist() == [3, 4, 3]


def test_fewer_images_than_a_batch_make_one_batch():
    (only,) = loader(2, batch_size=8)
    assert (only.items, only.size) == (2, 8)


def test_images_nobody_labelled_give_no_score():
    (only,) = loader(2, batch_size=2, labelled=False)
    assert only.labels is None
    assert top1([torch.eye(2)], only) is None


def test_worker_processes_give_the_same_batches():
    alone, helped = list(loader(5, 2)), list(loader(5, 2, num_workers=2))
    assert [each.items for each in alone] == [each.items for each in helped]
    assert all(torch.equal(one.inputs[0], other.inputs[0]) for one, other in zip(alone, helped, strict=True))


def test_top1_counts_real_images_only():
    padded = batch(items=1, size=2, labels=(0, 0))
    assert top1([torch.tensor([[0.9, 0.1], [0.9, 0.1]])], padded) == (1, 1)


def test_top1_takes_the_highest_score():
    assert top1([torch.tensor([[0.9, 0.1], [0.8, 0.2]])], batch()) == (1, 2)


def test_flat_outputs_get_their_batch_dimension_back():
    outputs = classify(lambda inputs: [torch.arange(6.0)], batch(), None)
    assert outputs[0].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("shape", [(1, 10), (3, 10), (5,), ()])
def test_outputs_for_another_number_of_images_are_refused(shape):
    outputs = classify(lambda inputs: [torch.zeros(shape)], batch(), None)
    with pytest.raises(CaseCrash, match="wrong outputs"):
        check_outputs(outputs, batch())


def test_two_outputs_from_a_classifier_are_refused():
    outputs = classify(lambda inputs: [torch.zeros(2, 10)] * 2, batch(), None)
    with pytest.raises(CaseCrash, match=r"2 tensors .* 1 tensor expected"):
        check_outputs(outputs, batch())


@pytest.mark.parametrize(("vendor", "there", "device"), [("acme", True, "xpu"), ("acme", False, "cpu"), ("cpu", True, "cpu")])
def test_the_framework_runs_on_the_accelerator_but_for_vendor_cpu(monkeypatch, vendor, there, device):
    xpu = SimpleNamespace(is_available=lambda: there)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(xpu=xpu))
    assert reference_device(SimpleNamespace(vendor=vendor)).type == device
