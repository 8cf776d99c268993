"""Sizes that carry each image's own along."""

import math
import pickle

import pytest
import torch

from padding import PaddingError
from padding.masked.lengths import MaskedRun, own_number, plain, sized

ARITHMETIC = {
    "sums": lambda n: 1 + n + n - 3,
    "products": lambda n: 3 * n // 2 % 5,
    "from a number": lambda n: (100 - n) // n,
    "powers": lambda n: n**2 + 2**n,
    "fractions": lambda n: (n / 2 * 3 + 1.5) / 4,
    "rounded": lambda n: math.ceil(n / 2) * 2 + math.floor(n / 3) + round(n / 4),
    "negative": lambda n: -n % 8,
    "product of a shape": lambda n: math.prod(torch.Size([2, n, n])),
    "smallest": lambda n: min(n, 100),
    "comparisons alike": lambda n: [n > 5, n != 5, n == n + 0, n >= 17, bool(n)],
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_done_for_each_image(name):
    compute = ARITHMETIC[name]
    found = compute(sized(16, (7, 12), MaskedRun()))
    assert plain(found) == compute(16)
    assert name == "comparisons alike" or [own_number(found, image) for image in range(2)] == [compute(7), compute(12)]


@pytest.mark.parametrize("compare", [lambda n: n > 10, lambda n: n == 16, lambda n: n % 2 == 0, lambda n: n % 4 and 1])
def test_a_comparison_with_another_outcome_raises(compare):
    with pytest.raises(PaddingError, match=r"size \d+ \(for the images \d+, \d+\)"):
        compare(sized(16, (7, 12), MaskedRun()))


def test_behind_the_run_it_is_a_plain_number():
    run = MaskedRun()
    size = sized(16, (7, 12), run)
    run.over = True
    assert size == 16
    assert type(size + 1) is type(pickle.loads(pickle.dumps(size))) is type(sized(16, (16, 16), run)) is int
