"""Border over interior on maps whose values are known."""

import math

import numpy as np
import pytest

from studies.activations.side_by_side import border_and_interior, border_ratio


def test_border_over_interior_by_hand():
    # The ring of a 4 x 5 map has 14 positions, the interior 2 x 3; the interior's mean is 2, the ring's 3 but for one.
    values = np.full((4, 5), 3.0)
    values[1:3, 1:4] = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    values[0, 4] = 17.0
    assert border_and_interior(values) == pytest.approx((4.0, 2.0))
    assert border_ratio(values) == pytest.approx(2.0)


def test_maps_without_an_interior_have_no_ratio():
    assert math.isnan(border_ratio(np.ones((2, 5))))
    assert math.isnan(border_ratio(np.zeros((4, 4))))
    assert border_and_interior(np.ones((2, 2)))[0] == 1
