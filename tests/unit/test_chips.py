from pathlib import Path

import pytest

from tools.errors import ConfigError
from utils.monitoring.chips import find_chip, load_chips

NVIDIA = Path(__file__).resolve().parents[2] / "docker_images/nvidia/chips.yaml"
TERA = 1e12
ENTRY = "{name: C, match: Chip 1, peak_flops: {fp16: 2e12}, source: {title: T, url: 'https://x.y/z'}}"


def in_a_file(entry):
    return f"chips: [{entry}]"


@pytest.mark.parametrize(
    ("device", "fp32", "tf32", "fp16", "bf16", "fp8", "int8"),
    [
        ("NVIDIA A100-SXM4-80GB", 19.5, 156, 312, 312, None, 624),
        ("A100-SXM4-40GB", 19.5, 156, 312, 312, None, 624),
        ("NVIDIA A100-PCIE-40GB", 19.5, 156, 312, 312, None, 624),
        ("NVIDIA A100 80GB PCIe", 19.5, 156, 312, 312, None, 624),
        ("NVIDIA H100 80GB HBM3", 66.9, 494.7, 989.4, 989.4, 1978.9, 1978.9),
        ("NVIDIA H100 PCIe", 51.2, 378, 756, 756, 1513, 1513),
        ("NVIDIA H100 NVL", 60, 417.5, 835.5, 835.5, 1670.5, 1670.5),
        ("NVIDIA H200", 66.9, 494.7, 989.4, 989.4, 1978.9, 1978.9),
        ("NVIDIA H200 NVL", 60, 417.5, 835.5, 835.5, 1670.5, 1670.5),
        ("NVIDIA L4", 30.3, 60, 121, 121, 242.5, 242.5),
        ("NVIDIA L40S", 91.6, 183, 362.05, 362.05, 733, 733),
        ("Tesla T4", 8.1, None, 65, None, None, 130),
        ("Tesla V100-SXM2-16GB", 15.7, None, 125, None, None, None),
        ("Tesla V100-SXM2-32GB", 15.7, None, 125, None, None, None),
        ("Tesla V100-PCIE-16GB", 14, None, 112, None, None, None),
        ("Tesla V100S-PCIE-32GB", 16.4, None, 130, None, None, None),
        ("NVIDIA GeForce RTX 2080 Ti", 13.45, None, 53.8, None, None, 215.2),
        ("GeForce RTX 2080 Ti", 13.45, None, 53.8, None, None, 215.2),
        ("NVIDIA GeForce RTX 4090", 82.6, 82.6, 165.2, 165.2, 330.3, 660.6),
        ("NVIDIA B200", 75, 1100, 2250, 2250, 4500, 4500),
    ],
)
def test_a_card_found_by_the_name_nvidia_smi_prints_has_its_data_sheets_peaks(device, fp32, tf32, fp16, bf16, fp8, int8):
    teras = {"fp32": fp32, "tf32": tf32, "fp16": fp16, "bf16": bf16, "fp8": fp8, "int8": int8}
    published = {precision: tera * TERA for precision, tera in teras.items() if tera is not None}
    assert find_chip(NVIDIA, device).peak_flops == pytest.approx(published)


@pytest.mark.parametrize(
    "device",
    [
        "",
        "NVIDIA",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "GRID A100-10C",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA L40",
        "NVIDIA GB200",
    ],
)
def test_an_unknown_card_has_no_peak(device):
    assert find_chip(NVIDIA, device) is None


def test_every_name_matches_one_entry_only():
    chips = load_chips(NVIDIA)
    assert len({chip.match for chip in chips}) == len({chip.name for chip in chips}) == len(chips)


def test_no_lower_precision_is_slower():
    for chip in load_chips(NVIDIA):
        peaks = [
            chip.peak_flops[precision]
            for precision in ("fp32", "tf32", "fp16", "bf16", "fp8", "int8")
            if precision in chip.peak_flops
        ]
        assert peaks == sorted(peaks), chip.name


def test_a_vendor_without_chips_yaml_has_no_peak(tmp_path):
    assert find_chip(tmp_path / "chips.yaml", "Chip 1") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chips: 3", "expected one key, 'chips', with a list"),
        ("chips: [", "chips.yaml"),
        ("chips: [3]", "chip 1 is not a mapping"),
        (in_a_file(ENTRY.replace("name: C, ", "")), "needs 'name'"),
        (in_a_file(ENTRY.replace("match", "matsh")), "unknown key 'matsh'"),
        (in_a_file(ENTRY.replace("Chip 1", "'Chip ('")), "not a regular expression"),
        (in_a_file(ENTRY.replace("fp16", "fp17")), "unknown precision 'fp17'"),
        (in_a_file(ENTRY.replace("2e12", "fast")), "peak_flops.fp16 must be a number above 0, not 'fast'"),
        (in_a_file(ENTRY.replace("2e12", "0")), "must be a number above 0"),
        (in_a_file(ENTRY.replace("https://x.y/z", "a friend")), "a peak without one is a rumour"),
    ],
)
def test_a_mistake_in_chips_yaml_is_named(tmp_path, text, message):
    (tmp_path / "chips.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_chips(tmp_path / "chips.yaml")
    assert message in str(caught.value)
    assert "chips.yaml" in str(caught.value)
