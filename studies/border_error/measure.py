"""Measures the border error of one network: all schemes on each batch, with the sums saved on the way."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from evaluation.context import cut, last_map, stride_of
from evaluation.errors import EvaluationError
from evaluation.rings import RingSums
from records.errors import UserError, in_one_line
from studies.border_error.maps import LayerMaps, small_maps, true_maps
from studies.border_error.record import TRUE, BorderErrorRecord, Decisions, Errors
from studies.checkpoints.images import Images, read_batch
from studies.checkpoints.networks import ZERO, Source, padded_convolutions
from studies.checkpoints.progress import Progress
from training.provenance import started

LARGEST = 512
"""Image side, in pixels, from which on `total_stride` tries no larger image."""

SECONDS = 20
"""Seconds between two saves of the state; each prints a line."""

FIRST = 3
"""Seconds until the first save, whose line tells early how long the measurement takes."""


def total_stride(source: Source, size: int) -> int:
    """Image pixels per position of the last map, or a multiple of them.

    Raises UserError if the network does not run at this size, or has no maps.
    """
    try:
        with torch.inference_mode():
            last = last_map(source.network, torch.zeros(1, 3, size, size))
            # A map of one position shows no stride: a ResNet of stride 32 has one for 16 pixels, too. Errors are
            # suppressed because some networks accept one image size only.
            with contextlib.suppress(Exception):
                while last.shape[-1] == 1 and size < LARGEST:
                    last = last_map(source.network, torch.zeros(1, 3, 2 * size, 2 * size))
                    size *= 2
    except EvaluationError as error:
        raise UserError(f"{source.name}: {error}") from None
    except Exception as error:
        raise UserError(f"{source.name} does not run at {size} x {size} pixels: {in_one_line(error)}") from None
    return stride_of(size, last.shape[-1])


class BorderErrors:
    """Accumulates the errors of one network under every scheme, batch by batch; size and margin are in pixels."""

    def __init__(self, source: Source, size: int, margin: int, schemes: Sequence[str]):
        self.source, self.size, self.margin = source, size, margin
        self.zero = source.under(ZERO)
        self.layers = [*padded_convolutions(self.zero, lambda network: network(torch.zeros(1, 3, size, size)))]
        self.variants: dict[str, nn.Module] = {}
        self.failed: list[str] = []
        for scheme in schemes:
            try:
                self.variants[scheme] = source.under(scheme)
            except Exception as error:
                self.failed.append(f"{scheme}: {in_one_line(error)}")
        self.true: dict[str, RingSums] = {}
        self.whole: dict[str, list[Tensor]] = {}
        self.alone: dict[str, list[Tensor]] = {}
        self.logits: dict[str, list[Tensor]] = {}
        self.floor: list[float] = []

    def add(self, images: Tensor) -> None:
        """Adds a batch of large images (N, 3, size + 2 margin, size + 2 margin)."""
        small = cut(images, (self.size, self.size)).contiguous()
        # One image is enough for the sizes of the maps.
        shapes, _ = small_maps(self.zero, self.layers, small[:1])
        true, logits = true_maps(self.zero, shapes, images, self.margin)
        for layer in self.layers:
            self.true.setdefault(layer, RingSums.of(true[layer].output)).add(true[layer].output)
        if not self.floor:
            self.floor = self._floor(shapes, images, true)
        if logits is not None:
            self.logits.setdefault(TRUE, []).append(logits)
        for scheme in list(self.variants):
            try:
                self._add_scheme(scheme, small, true)
            except Exception as error:
                # Its sums would lack images from here on.
                del self.variants[scheme]
                self.failed.append(f"{scheme}: {in_one_line(error)}")

    def _add_scheme(self, scheme: str, small: Tensor, true: dict[str, LayerMaps]) -> None:
        network = self.variants[scheme]
        found, logits = small_maps(network, self.layers, small)
        whole, alone = [], []
        for layer in self.layers:
            sums, wanted = self.true[layer], true[layer]
            whole.append(sums.squared_error(found[layer].output, wanted.output))
            alone.append(sums.squared_error(network.get_submodule(layer)(wanted.input), wanted.output))
        for sums, new in ((self.whole, whole), (self.alone, alone)):
            old = sums.get(scheme)
            sums[scheme] = new if old is None else [each + more for each, more in zip(old, new, strict=True)]
        if TRUE in self.logits:
            self.logits.setdefault(scheme, []).append(logits)

    def _floor(self, shapes: dict[str, LayerMaps], images: Tensor, true: dict[str, LayerMaps]) -> list[float]:
        other, _ = true_maps(self.source.under("replicate"), shapes, images, self.margin)
        off = [self.true[each].squared_error(other[each].output, true[each].output)[0] for each in self.layers]
        return [float(each / self.true[layer].spread[0]) for each, layer in zip(off, self.layers, strict=True)]

    @property
    def state(self) -> dict[str, Any]:
        """Everything that `add` accumulates, as tensors and plain values."""
        sums = {layer: [sums.count, sums.total, sums.squares] for layer, sums in self.true.items()}
        logits = {scheme: torch.cat(found) for scheme, found in self.logits.items()}
        kept = {"whole": self.whole, "alone": self.alone, "floor": self.floor, "failed": self.failed}
        return {"sums": sums, "logits": logits, **kept}

    def go_on(self, state: dict[str, Any]) -> int:
        """Continues from a saved `state`; returns the number of images in it."""
        shapes, _ = small_maps(self.zero, self.layers, torch.zeros(1, 3, self.size, self.size))
        for layer, (count, total, squares) in state["sums"].items():
            self.true[layer] = RingSums(RingSums.of(shapes[layer].output).distance, count, total, squares)
        self.logits = {scheme: [found] for scheme, found in state["logits"].items()}
        self.whole, self.alone = state["whole"], state["alone"]
        self.floor, self.failed = state["floor"], state["failed"]
        self.variants = {scheme: self.variants[scheme] for scheme in self.whole if scheme in self.variants}
        return next(iter(self.true.values())).count

    def errors(self) -> dict[str, Errors]:
        """NMSE(d) by scheme and layer."""
        spread = [self.true[layer].spread for layer in self.layers]

        def nmse(sums: list[Tensor]) -> list[list[float]]:
            return [(off / each).tolist() for off, each in zip(sums, spread, strict=True)]

        return {scheme: Errors(nmse(self.whole[scheme]), nmse(self.alone[scheme])) for scheme in self.variants}

    def decisions(self, targets: list[int] | None) -> dict[str, Decisions]:
        """The decisions under each scheme and TRUE; empty without logits. `targets` are the correct classes or None."""
        if TRUE not in self.logits:
            return {}
        logits = {scheme: torch.cat(self.logits[scheme]) for scheme in (TRUE, *self.variants)}
        wanted = logits[TRUE].argmax(1) if targets is None else torch.tensor(targets)
        return {
            scheme: Decisions(each.argmax(1).numpy(), each.softmax(1).gather(1, wanted[:, None])[:, 0].numpy())
            for scheme, each in logits.items()
        }


def measure(
    source: Source,
    images: Images,
    size: int,
    margin: int,
    schemes: Sequence[str],
    batch_size: int,
    progress: Progress,
    say: Callable[[str], None],
) -> BorderErrorRecord:
    """Measures the border error of one network; continues where an earlier call of the same measurement was stopped.

    Raises:
        DataError: an image cannot be used.
        UserError: no scheme can be measured.
    """
    origin = started()
    errors, state = BorderErrors(source, size, margin, schemes), progress.read()
    done = errors.go_on(state) if state else 0
    if done:
        say(f"{source.name}: continuing after {done} images")
    start = kept = time.monotonic()
    first = done
    with torch.inference_mode():
        for begin in range(done, len(images.files), batch_size):
            files = images.files[begin : begin + batch_size]
            errors.add(read_batch(files, size + 2 * margin, source.mean, source.std))
            done = begin + len(files)
            now = time.monotonic()
            if now - kept > (FIRST if kept == start else SECONDS) and done < len(images.files):
                left = (now - start) / (done - first) * (len(images.files) - done)
                say(f"{source.name}: {done} of {len(images.files)} images, about {left:.0f} s to go")
                progress.keep(errors.state)
                kept = time.monotonic()
    if not errors.variants:
        raise UserError(f"{source.name}: no scheme could be measured: {'; '.join(errors.failed)}")
    return BorderErrorRecord(
        network=source.name,
        weights=source.weights,
        padding=source.padding,
        size=size,
        margin=margin,
        images=len(images.files),
        digest=images.digest,
        schemes=list(schemes),
        layers=errors.layers,
        floor=errors.floor,
        errors=errors.errors(),
        decisions=errors.decisions(images.targets),
        targets=images.targets,
        failed=errors.failed,
        provenance=origin,
        state=source.digest(schemes),
        enlargement=images.enlargement(size + 2 * margin),
    )
