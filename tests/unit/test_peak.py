"""The measured peak: the best of all repeats, in the precision that was asked for, and a reason where there is none."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from tools import peak  # noqa: E402
from tools.peak import fastest_seconds, last_level_cache_bytes, measured_peak  # noqa: E402


class FakeClock:
    """Nanoseconds that pass only when told to."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def takes(self, *seconds):
        """A call that takes these, one after the other, the last one ever after."""
        left = list(seconds)

        def call():
            self.now += int((left.pop(0) if len(left) > 1 else left[0]) * 1e9)

        return call


@pytest.fixture
def quick(monkeypatch):
    """Small matrices and a small copy, hardly repeated."""
    monkeypatch.setattr(peak, "SIZES", (64, 128))
    monkeypatch.setattr(peak, "NATIVE_SIZES", (64,))
    monkeypatch.setattr(peak, "PRODUCT_SECONDS", 0.005)
    monkeypatch.setattr(peak, "COPY_SECONDS", 0.005)
    monkeypatch.setattr(peak, "SMALLEST_COPY", 1 << 20)
    monkeypatch.setattr(peak, "CACHES_PER_COPY", 0)


def config(precision="fp32", threads=1):
    return SimpleNamespace(precision=precision, threads=threads)


def test_the_fastest_call_counts_and_the_first_one_does_not():
    clock = FakeClock()
    assert fastest_seconds(clock.takes(0.01, 0.4, 0.3, 0.5), 1.0, clock) == pytest.approx(0.3)


def test_a_call_longer_than_the_time_for_it_is_made_twice():
    clock = FakeClock()
    assert fastest_seconds(clock.takes(5.0, 4.0, 3.0), 1.0, clock) == pytest.approx(4.0)
    assert clock.now == 9e9


@pytest.mark.parametrize("threads", [1, None])
def test_flops_and_bandwidth_are_measured_and_it_is_said_how(quick, threads):
    before = torch.get_num_threads()
    found = measured_peak(config(threads=threads), "cpu")
    assert (found.precision, found.source) == ("fp32", "measured")
    assert 1e8 < found.flops < 1e14
    assert 1e8 < found.bytes_per_second < 1e13
    assert "fp32 product of" in found.detail
    assert "copy of 1 MiB, bytes read and written both counted" in found.detail
    assert found.detail.startswith("{} thread".format(threads or before))
    assert torch.get_num_threads() == before


def rates(monkeypatch, by_precision):
    """Products take what these rates (FLOP/s) make of their size, by a fake clock."""
    clock = FakeClock()
    monkeypatch.setattr(
        peak, "_products", lambda precision, size, _: [clock.takes(2 * size**3 / by_precision[precision](size))] * 2
    )
    monkeypatch.setattr(peak, "_bandwidth", lambda *_: (1e9, "copy"))
    return clock


def test_the_peak_is_that_of_the_size_that_does_best(monkeypatch):
    clock = rates(monkeypatch, {"fp32": {128: 1e9, 256: 3e9, 512: 2e9}.__getitem__})
    found = measured_peak(config(), "cpu", clock)
    assert found.flops == pytest.approx(3e9, rel=1e-3)
    assert "256 x 256" in found.detail


def test_a_slow_chip_is_not_given_matrices_that_take_minutes(monkeypatch):
    clock = rates(monkeypatch, {"fp32": lambda _: 5e8})
    measured_peak(config(), "cpu", clock)
    assert clock.now < 5e9


def test_a_precision_that_the_chip_only_emulates_has_no_peak(monkeypatch):
    clock = rates(monkeypatch, {"fp32": lambda _: 100e9, "fp16": lambda _: 30e9})
    found = measured_peak(config("fp16"), "cpu", clock)
    assert (found.flops, found.bytes_per_second) == (None, 1e9)
    assert "no peak, as fp16 is not native here: its products make 30 GFLOP/s, those in fp32 100" in found.detail


@pytest.mark.parametrize("error", [RuntimeError("not implemented for 'Char'\nmore"), AttributeError("no attribute '_int_mm'")])
def test_a_product_that_torch_does_not_have_gives_no_peak_and_says_so(quick, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(peak, "_products", refuse)
    found = measured_peak(config("int8"), "cpu")
    assert found.flops is None
    assert found.bytes_per_second > 0
    assert "torch cannot multiply int8 matrices on cpu: {}".format(str(error).split("\n")[0]) in found.detail


def test_a_baseline_or_a_copy_that_torch_refuses_costs_its_figure_and_not_the_run(quick, monkeypatch):
    made = peak._products

    def only_bf16(precision, size, place):
        if precision == "fp32":
            raise RuntimeError("no kernel image is available")
        return made(precision, size, place)

    monkeypatch.setattr(peak, "_products", only_bf16)
    monkeypatch.setattr(torch, "ones", lambda *_, **__: torch.empty(1, device="nonsense"))
    found = measured_peak(config("bf16"), "cpu")
    assert (found.flops, found.bytes_per_second) == (None, None)
    assert "torch cannot multiply fp32 matrices on cpu: no kernel image is available; torch cannot copy: " in found.detail


def test_nothing_is_asked_for_that_the_memory_left_does_not_hold(quick, monkeypatch):
    monkeypatch.setattr(peak, "memory_left", lambda: 4 * 4 * 64**2 * 2)
    found = measured_peak(config(), "cpu")
    assert "of 64 x 64 matrices" in found.detail
    assert (found.bytes_per_second, "no memory is left for a copy of 1 MiB" in found.detail) == (None, True)
    monkeypatch.setattr(peak, "memory_left", lambda: 1000)
    assert measured_peak(config(), "cpu").flops is None


def test_memory_that_runs_out_ends_the_search_and_keeps_what_was_found(quick, monkeypatch):
    made = peak._products

    def small_only(precision, size, place):
        if size > 64:
            raise RuntimeError("CUDA out of memory")
        return made(precision, size, place)

    monkeypatch.setattr(peak, "_products", small_only)
    assert "of 64 x 64 matrices" in measured_peak(config(), "cpu").detail


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precisions_are_multiplied_in_themselves(precision):
    expected = {"bf16": torch.bfloat16, "int8": torch.int32}[precision]
    for product in peak._products(precision, 32, torch.device("cpu")):
        assert product().dtype == expected


def test_fp32_is_fp32_whatever_the_run_allows_and_what_it_allows_stays(quick, monkeypatch):
    seen = []
    switch = torch.backends.mkldnn.matmul
    made = peak._products
    monkeypatch.setattr(peak, "_products", lambda *asked: seen.append(switch.fp32_precision) or made(*asked))
    before, switch.fp32_precision = switch.fp32_precision, "bf16"
    try:
        measured_peak(config(), "cpu")
        assert (set(seen), switch.fp32_precision) == ({"ieee"}, "bf16")
    finally:
        switch.fp32_precision = before


def test_older_torch_is_told_by_its_own_switch():
    class OldTorch:
        backends = SimpleNamespace(mkldnn=SimpleNamespace(), cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True)))
        said = ("medium",)

        def get_float32_matmul_precision(self):
            return self.said[-1]

        def set_float32_matmul_precision(self, precision):
            self.said += (precision,)

    old = OldTorch()
    with peak._true_fp32(old):
        assert old.said[-1] == "highest"
    assert old.said[-1] == "medium"


def test_the_last_level_cache_is_summed_over_those_that_share_none(tmp_path):
    for cpu, (shared, size) in enumerate([("0-1", "32768K"), ("0-1", "32768K"), ("2", "16384K")]):
        for index, own in ((2, "1024K"), (3, size)):
            folder = tmp_path / "cpu{}".format(cpu) / "cache" / "index{}".format(index)
            folder.mkdir(parents=True)
            (folder / "size").write_text(own + "\n")
            (folder / "shared_cpu_list").write_text(shared + "\n")
    assert last_level_cache_bytes(tmp_path) == 48 << 20
    assert last_level_cache_bytes(tmp_path / "none") == 0
