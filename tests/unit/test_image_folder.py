"""ImageNet-style folders, on JPEGs made on the spot."""

import re

import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")
numpy = pytest.importorskip("numpy")

from loop_fakes import config  # noqa: E402

from benchmarks.shared.classification import make_loader  # noqa: E402
from benchmarks.shared.image_folder import ImageFolder, Preparation, decoded  # noqa: E402
from tools.errors import CaseCrash, ConfigError  # noqa: E402
from tools.steps import reason_for  # noqa: E402

PLAIN = Preparation(resize=256, crop=224, mean=(0, 0, 0), std=(1, 1, 1))


def save(path, size=(300, 400), colour=(255, 0, 0), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, "JPEG", quality=95)


def stripes(width, height):
    """Black, with a white column in the middle of the width."""
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    pixels[:, width // 2 - 1 : width // 2 + 1] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path):
    for name in ("n02", "n01"):
        for number in range(2):
            save(tmp_path / name / "{}_{}.JPEG".format(name, number))
    return tmp_path


def test_classes_are_the_folders_in_sorted_order(folder):
    images = ImageFolder(str(folder), PLAIN, 1000)
    assert [label for _, label in images.samples] == [0, 0, 1, 1]
    assert images.classes == {"n01": 0, "n02": 1}


def test_a_folder_named_val_is_looked_into(folder):
    save(folder / "val" / "n03" / "one.jpg")
    assert list(ImageFolder(str(folder), PLAIN, 1000).classes) == ["n03"]


def test_imagenets_own_list_says_which_class_a_folder_is(folder):
    (folder / "LOC_synset_mapping.txt").write_text("n00 fish\nn02 tench, Tinca tinca\nn01 goldfish\n")
    assert ImageFolder(str(folder), PLAIN, 1000).classes == {"n01": 2, "n02": 1}


def test_an_image_becomes_a_normalised_tensor(folder):
    preparation = Preparation(256, 224, mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 0.5))
    image, label = ImageFolder(str(folder), preparation, 1000)[0]
    assert (image.shape, image.dtype, label) == ((3, 224, 224), torch.float32, 0)
    assert image.mean(dim=(1, 2)).tolist() == pytest.approx([2.0, -1.0, -1.0], abs=0.05)


@pytest.mark.parametrize("size", [(500, 256), (256, 500), (256, 256), (1024, 512), (100, 90)])
def test_the_shorter_side_is_resized_and_the_centre_cut_out(size):
    image = PLAIN(stripes(*size))
    assert image.shape == (3, 224, 224)
    brightest = image[0].mean(dim=0).argmax().item()
    assert brightest in (111, 112)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_images_become_rgb(tmp_path, mode):
    save(tmp_path / "n01" / "image.jpeg", mode=mode)
    assert ImageFolder(str(tmp_path), PLAIN, 1000)[0][0].shape == (3, 224, 224)


@pytest.mark.parametrize("content", [b"", b"not an image", "truncated"])
def test_an_image_that_cannot_be_decoded_is_named(folder, content):
    bad = folder / "n01" / "n01_0.JPEG"
    bad.write_bytes(bad.read_bytes()[:800] if content == "truncated" else content)
    with pytest.raises(CaseCrash, match=r"n01_0\.JPEG: cannot be decoded: .*; replace or remove"):
        ImageFolder(str(folder), PLAIN, 1000)[0]


def test_a_worker_process_names_the_image_as_plainly(folder):
    (folder / "n01" / "n01_0.JPEG").write_bytes(b"not an image")
    settings = config(vendor="cpu", batch_size=2, num_workers=1)
    with pytest.raises(CaseCrash) as caught:
        list(make_loader(ImageFolder(str(folder), PLAIN, 1000), settings))
    assert re.fullmatch(
        r"b: \S*n01_0\.JPEG: cannot be decoded: .*; replace or remove the file", reason_for("b", caught.value).message
    )


def test_a_folder_without_classes_says_what_is_expected(tmp_path):
    with pytest.raises(ConfigError, match=r"no folders in it; expected <folder per class>"):
        ImageFolder(str(tmp_path), PLAIN, 1000)


def test_a_class_without_images_is_named(folder):
    (folder / "n99").mkdir()
    with pytest.raises(ConfigError, match=r"n99: no image"):
        ImageFolder(str(folder), PLAIN, 1000)


def test_more_classes_than_the_model_has_are_refused(folder):
    with pytest.raises(ConfigError, match="2 classes, but the model has 1"):
        ImageFolder(str(folder), PLAIN, 1)


def test_a_folder_that_the_list_does_not_know_is_named(folder):
    (folder / "LOC_synset_mapping.txt").write_text("n01 goldfish\n")
    with pytest.raises(ConfigError, match=r"the folder 'n02' is not in the list"):
        ImageFolder(str(folder), PLAIN, 1000)


def test_a_file_as_data_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is no folder"):
        ImageFolder(str(tmp_path / "file"), PLAIN, 1000)


def opened(path):
    with Image.open(path) as image:
        return PLAIN(image)


def grey(values):
    return numpy.full((300, 300), values, numpy.uint16)


@pytest.mark.parametrize(("value", "brightness"), [(0, 0.0), (257 * 51, 0.2), (32768, 0.5), (65535, 1.0)])
def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path, value, brightness):
    Image.fromarray(grey(value)).save(tmp_path / "deep.png")
    Image.fromarray(grey(value).astype(">u2")).save(tmp_path / "big-endian.tiff")
    for name in ("deep.png", "big-endian.tiff"):
        assert opened(tmp_path / name).unique().tolist() == pytest.approx([brightness], abs=0.003)


@pytest.mark.parametrize("pixels", [numpy.full((300, 300), 0.5, numpy.float32), numpy.full((300, 300), 1 << 20, numpy.int32)])
def test_pixels_of_an_unknown_range_are_refused_with_the_file_s_name(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "scan.png", "TIFF")
    with pytest.raises(CaseCrash, match=r"scan\.png: cannot be decoded: the range of its pixels \(mode [FI]\) is not known"):
        decoded(str(tmp_path / "scan.png"), PLAIN)


@pytest.mark.parametrize("mode", ["1", "LA", "RGBA", "P"])
def test_all_other_modes_are_converted_as_published_pipelines_do(tmp_path, mode):
    image = Image.new("RGBA", (300, 300), (255, 255, 255, 0)).convert(mode)
    image.save(tmp_path / "image.png", **({"transparency": 0} if mode == "P" else {}))
    assert opened(tmp_path / "image.png").unique().tolist() == [1.0]  # alpha is dropped


def test_a_camera_s_orientation_is_not_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stripes(300, 300).save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(opened(tmp_path / "turned.png"), PLAIN(stripes(300, 300)))
