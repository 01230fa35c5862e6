"""What a quantiser may look at: a case's own data, none of which is measured."""

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from case_support import ROOT, case_config  # noqa: E402

from benchmarks.digits import pytorch as digits  # noqa: E402
from benchmarks.resnet50 import pytorch as resnet50  # noqa: E402
from benchmarks.shared.calibration_folder import calibration_images  # noqa: E402
from tools.calibration import calibration_inputs, recipe  # noqa: E402
from tools.errors import CaseCrash, ConfigError  # noqa: E402


def config(case, tmp_path, data_dir, **changes):
    """Of a case as it is found below `perf_dir`."""
    if not (tmp_path / "benchmarks").exists():
        (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    return case_config(case, tmp_path, data_dir, **changes)


def rows(batches):
    return {row.numpy().tobytes() for batch in batches for row in batch[0]}


def put_images(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (number, 20, 30)).save(folder / name)


def names_of(paths):
    return [Path(path).name for path in paths]


def given(monkeypatch, **functions):
    monkeypatch.setattr("tools.calibration.load_case", lambda *_: SimpleNamespace(**functions))
    return SimpleNamespace(perf_dir=".", case="toy", framework="pytorch", calibration_samples=5, data_dir="words")


def batch(items=2):
    return SimpleNamespace(items=items, inputs=[torch.zeros(items, 3)])


@pytest.mark.parametrize(("samples", "queries"), [(1, 1), (8, 1), (9, 2), (128, 16)])
def test_there_are_about_as_many_items_as_asked_for(samples, queries, tmp_path):
    pytest.importorskip("sklearn")
    found = list(calibration_inputs(config("digits", tmp_path, "embedded", calibration_samples=samples)))
    assert [list(tensors[0].shape) for tensors in found] == [[8, 1, 8, 8]] * queries


def test_digits_calibrates_with_nothing_that_is_measured(tmp_path):
    pytest.importorskip("sklearn")
    settings = config("digits", tmp_path, "embedded", calibration_samples=2000)
    calibrated, measured = rows(calibration_inputs(settings)), rows(each.inputs for each in digits.build_dataloader(settings))
    assert (len(measured), calibrated & measured) == (359, set())


def test_limits_of_what_is_measured_do_not_limit_calibration(tmp_path):
    pytest.importorskip("sklearn")
    settings = config("digits", tmp_path, "embedded", max_samples=1, data_percent=1.0, calibration_samples=64)
    assert len(list(calibration_inputs(settings))) == 8
    assert sum(each.items for each in digits.build_dataloader(settings)) == 1


def test_synthetic_images_are_of_another_seed(tmp_path):
    settings = config("resnet50", tmp_path, "synthetic", synthetic_images=4, image_size=8, calibration_samples=6)
    calibrated, measured = rows(calibration_inputs(settings)), rows(each.inputs for each in resnet50.build_dataloader(settings))
    assert (len(calibrated), len(measured), calibrated & measured) == (6, 4, set())


def test_a_folder_calibration_is_taken_and_is_no_class(tmp_path):
    put_images(tmp_path / "data", "n01/a.png", "n02/b.png", "calibration/c.png", "calibration/deeper/d.JPEG")
    settings = config("resnet50", tmp_path, tmp_path / "data", calibration_samples=10, num_workers=0, batch_size=4)
    assert [list(tensors[0].shape) for tensors in calibration_inputs(settings)] == [[4, 3, 224, 224]]
    assert resnet50.build_dataloader(settings).dataset.classes == {"n01": 0, "n02": 1}
    assert names_of(calibration_images(str(tmp_path / "data"), 10)) == ["c.png", "d.JPEG"]


@pytest.mark.parametrize("data_dir", [".", "val"])
def test_imagenets_train_beside_val_is_taken(data_dir, tmp_path):
    put_images(tmp_path, "val/n01/a.png", *(f"train/n0{number}/{number}.png" for number in range(6)))
    assert names_of(calibration_images(str(tmp_path / data_dir), 3)) == ["0.png", "2.png", "4.png"]


def test_without_other_images_the_measured_ones_are_not_taken(tmp_path):
    put_images(tmp_path, "n01/a.png")
    with pytest.raises(ConfigError, match=r"put some hundred others into .*/calibration, or ImageNet's folder train beside val"):
        calibration_images(str(tmp_path), 1)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_links_to_measured_images_are_found_out(link, tmp_path):
    put_images(tmp_path, "val/n01/a.png", "calibration/b.png")
    getattr(tmp_path / "calibration" / "c.png", link)(tmp_path / "val" / "n01" / "a.png")
    with pytest.raises(ConfigError, match="1 of its images are also measured"):
        calibration_images(str(tmp_path), 2)


def test_a_calibration_folder_that_leads_to_the_measured_one_is_found_out(tmp_path):
    put_images(tmp_path, "val/n01/a.png")
    (tmp_path / "calibration").symlink_to(tmp_path / "val")
    with pytest.raises(ConfigError, match="also measured"):
        calibration_images(str(tmp_path), 1)


def test_an_empty_calibration_folder_is_named(tmp_path):
    put_images(tmp_path, "val/n01/a.png")
    (tmp_path / "calibration").mkdir()
    with pytest.raises(ConfigError, match=r"calibration: no image"):
        calibration_images(str(tmp_path), 1)


def test_a_case_without_calibration_data_is_told_what_to_add(monkeypatch):
    with pytest.raises(ConfigError, match=r"benchmarks/toy has no build_calibration; add it .* or set another precision"):
        list(calibration_inputs(given(monkeypatch)))


def test_no_batch_is_an_error(monkeypatch):
    with pytest.raises(ConfigError, match="gave no batch"):
        list(calibration_inputs(given(monkeypatch, build_calibration=lambda config: [])))


def test_batches_without_inputs_are_an_error(monkeypatch):
    with pytest.raises(CaseCrash, match="must give batches with `inputs`"):
        list(calibration_inputs(given(monkeypatch, build_calibration=lambda config: [object()])))


def test_more_than_enough_data_is_not_read(monkeypatch):
    def endless(config):
        while True:
            yield batch()

    assert len(list(calibration_inputs(given(monkeypatch, build_calibration=endless)))) == 3


def test_the_recipe_of_an_int8_file_says_by_what_and_with_how_many_samples_of_what(monkeypatch):
    int8 = SimpleNamespace(**vars(given(monkeypatch)), precision="int8")
    assert recipe("acmert 1.2", int8) == "acmert 1.2, calibrated with 5 samples of words"
    assert recipe("acmert 1.2", int8, "acmeq 3") == "acmert 1.2, acmeq 3, calibrated with 5 samples of words"
    assert recipe("acmert 1.2", SimpleNamespace(precision="bf16"), "acmeq 3") == "acmert 1.2"
