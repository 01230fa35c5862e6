"""oneDNN's fpmath mode: what is_honoured() says is what products do, and all is as it was afterwards."""

from contextlib import contextmanager

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from tools import fpmath  # noqa: E402
from tools.fpmath import bf16_products, is_honoured  # noqa: E402

ROUNDING = 1e-4
"""Relative: bf16 has 3e-3, the order of additions 1e-6."""


def products():
    """A convolution and a matrix product, of other shapes than is_honoured() tries."""
    torch.manual_seed(1)
    image, kernel, square = torch.randn(2, 32, 24, 24), torch.randn(64, 32, 3, 3), torch.randn(192, 192)
    with torch.inference_mode():
        return functional.conv2d(image, kernel), functional.linear(square, square)


def test_products_are_rounded_exactly_where_the_mode_is_said_to_be_honoured():
    exact = products()
    with bf16_products():
        rounded = products()
    apart = [float((one - other).abs().max() / other.abs().max()) for one, other in zip(rounded, exact, strict=True)]
    assert all(share > ROUNDING for share in apart) == is_honoured(), apart
    assert max(apart) < 0.02
    assert all(torch.equal(one, other) for one, other in zip(products(), exact, strict=True))


def test_the_mode_is_what_it_was_also_after_an_error():
    kinds = fpmath._kinds()
    before = [kind.fp32_precision for kind in kinds]
    with pytest.raises(ValueError, match="{'bf16'}"), bf16_products():
        raise ValueError({kind.fp32_precision for kind in kinds})
    assert [kind.fp32_precision for kind in kinds] == before


@pytest.fixture
def asked_anew():
    """is_honoured() as on another machine: what it found here is forgotten before and afterwards."""
    is_honoured.cache_clear()
    yield is_honoured
    is_honoured.cache_clear()


@contextmanager
def rounding(names):
    """What the mode is on a CPU that takes it for these products."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            exact = getattr(functional, name)
            patch.setattr(functional, name, lambda *given, exact=exact: exact(*given).bfloat16().float())
        yield


@pytest.mark.parametrize(
    ("names", "honoured"), [(("conv2d", "linear"), True), (("conv2d",), False), (("linear",), False), ((), False)]
)
def test_the_mode_is_honoured_where_it_rounds_convolutions_and_matrix_products_alike(monkeypatch, asked_anew, names, honoured):
    monkeypatch.setattr(fpmath, "bf16_products", lambda: rounding(names))
    assert asked_anew() == honoured


def test_a_torch_without_the_mode_does_not_honour_it(monkeypatch, asked_anew):
    monkeypatch.setattr(fpmath, "_kinds", list)
    assert not asked_anew()
