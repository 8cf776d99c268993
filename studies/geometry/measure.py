"""Measures the geometry of one network at one size: windows, foveation, response to constants."""

import time
from collections.abc import Callable

from evaluation.errors import EvaluationError
from records.errors import UserError, in_one_line
from studies.checkpoints.networks import ZERO, Source, padded_convolutions, padded_copy
from studies.geometry.constant import inputs, responses
from studies.geometry.foveation import averages, check_linear, foveation
from studies.geometry.record import GeometryRecord
from studies.geometry.windows import nearest_even, windows_of
from training.provenance import started


def measure(source: Source, size: int, schemes: list[str], seed: int, say: Callable[[str], None]) -> GeometryRecord:
    """Measures one network under all schemes; a scheme that fails is named in the record, and the others go on.

    Raises UserError if the network does not run at this size.
    """
    origin = started()
    zero, images = source.under(ZERO), inputs(size, source.mean, source.std, seed)
    try:
        windows = windows_of(zero, size)
        layers = [*padded_convolutions(zero, lambda network: network(images[:1]))]
    except Exception as error:
        raise UserError(f"{source.name} does not run at {size} x {size} pixels: {in_one_line(error)}") from None
    failed: list[str] = []
    linear = averages(zero)
    try:
        # images[2:3] is the first image of white noise, behind the two constants.
        check_linear(linear, images[2:3])
    except (UserError, EvaluationError) as error:
        failed.append(f"foveation: {error}")
        linear = None
    maps, constants = {}, {}
    for number, scheme in enumerate(schemes, start=1):
        start = time.monotonic()
        try:
            constants[scheme] = responses(source.under(scheme), layers, images)
            if linear is not None:
                maps[scheme] = foveation(padded_copy(linear, scheme), images[2:3])
        except Exception as error:
            constants.pop(scheme, None)
            failed.append(f"{scheme}: {in_one_line(error)}")
            say(f"not measured: {failed[-1]}")
        else:
            say(f"[{number}/{len(schemes)}] {source.name} {size}: {scheme} ({time.monotonic() - start:.1f} s)")
    even = nearest_even(zero, size)
    return GeometryRecord(
        *(source.name, source.weights, size, schemes, seed, windows, even, maps, constants, failed, origin),
        state=source.digest(schemes),
    )
