"""Partial padding by Eq. 1 to 5, window by window; shares no code and no formula with the package."""

import itertools

import torch


def partial_oracle(x, weight, bias, stride, pads, dilation, groups, *, mask=None, positions=None):
    """Output at each position (all of them by default): the window is cut out and its valid taps are counted.

    `mask`, (N or 1, 1 or C, *sizes), marks valid positions. Returns a dict from position to a tensor (N, C_out), and
    the output's spatial shape.
    """
    shape = tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(x.shape[2:], weight.shape[2:], stride, pads, dilation, strict=True)
    )
    valid = torch.ones(1, 1, *x.shape[2:], dtype=torch.bool) if mask is None else mask != 0
    valid = valid.expand(x.shape[0], *valid.shape[1:])
    x, weight = x.detach(), weight.detach()
    bias = x.new_zeros(weight.shape[0]) if bias is None else bias.detach()
    geometry = (stride, [before for before, _ in pads], dilation)
    if positions is None:
        positions = itertools.product(*map(range, shape))
    return {at: _window(x, valid, weight, bias, at, geometry, groups) for at in positions}, shape


def _window(x, valid, weight, bias, at, geometry, groups):
    outputs, batch, area = weight.shape[0], x.shape[0], weight[0, 0].numel()
    for axis, (i, s, before, d) in enumerate(zip(at, *geometry, strict=True), start=2):
        rows = [(i * s - before + tap * d, tap) for tap in range(weight.shape[axis])]
        rows = [(row, tap) for row, tap in rows if 0 <= row < x.shape[axis]]
        inside = torch.tensor([row for row, _ in rows], dtype=torch.long)
        x, valid = x.index_select(axis, inside), valid.index_select(axis, inside)
        weight = weight.index_select(axis, torch.tensor([tap for _, tap in rows], dtype=torch.long))
    per_channel = valid.shape[1] > 1
    values = x.masked_fill(~valid, 0).reshape(batch, groups, weight[0].numel())
    filters = weight.reshape(groups, outputs // groups, weight[0].numel())
    sums = torch.einsum("ngk,gok->ngo", values, filters).flatten(1)
    counted = valid.reshape(batch, groups, weight[0].numel()) if per_channel else valid.flatten(1).unsqueeze(1)
    count = counted.sum(2).repeat_interleave(outputs // counted.shape[1], dim=1)
    window = area * (weight.shape[1] if per_channel else 1)
    return torch.where(count > 0, sums * window / count.clamp(min=1) + bias, 0.0)


def transposed_oracle(x, layer, positions, reweighted=True):
    """Each output gathers its taps; what each tap would read on an unbounded input is counted, inside or not."""
    groups, per_group = layer.groups, layer.weight.shape[1]
    weight = layer.weight.detach().reshape(groups, -1, *layer.weight.shape[1:])
    bias = x.new_zeros(groups * per_group) if layer.bias is None else layer.bias.detach()
    grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    expected = {}
    for at in positions:
        total, full, inside = x.new_zeros(x.shape[0], groups, per_group), 0, 0
        for tap in itertools.product(*map(range, layer.kernel_size)):
            reach = [o + p - k * d for o, p, k, d in zip(at, layer.padding, tap, layer.dilation, strict=True)]
            if any(r % s for r, s in zip(reach, layer.stride, strict=True)):
                continue
            full += 1
            source = [r // s for r, s in zip(reach, layer.stride, strict=True)]
            if all(0 <= i < n for i, n in zip(source, x.shape[2:], strict=True)):
                inside += 1
                total = total + torch.einsum("ngi,gio->ngo", grouped[(..., *source)], weight[(..., *tap)])
        ratio = full / inside if reweighted and inside else 1.0
        nothing_seen = reweighted and full and not inside
        expected[at] = total.flatten(1) if nothing_seen else total.flatten(1) * ratio + bias
    return expected


def worst_error(y, expected):
    """The largest absolute difference between an output (N, C, *sizes) and the oracle's positions, over their scale."""
    scale = max(1e-12, max(float(value.abs().max()) for value in expected.values()))
    return max(float((y[(..., *at)].detach() - value).abs().max()) for at, value in expected.items()) / scale


def as_map(expected, shape):
    """The oracle's positions, all of them in order, as one tensor (N, C, *shape)."""
    return torch.stack(list(expected.values()), dim=-1).unflatten(-1, tuple(shape))


def pads_of(layer):
    """What torch's convolution pads before and after each axis."""
    if layer.padding != "same":
        return [(pad, pad) for pad in layer.padding]
    totals = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def random_case(rng, axes):
    """Arguments of a convolution, and an input's sizes that hold at least one window."""
    kernel, dilation, stride, pads = ([rng.randint(low, high) for _ in range(axes)] for low, high in _RANGES)
    if rng.random() < 0.2:
        pads, stride = "same", [1] * axes
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    added = [r - 1 for r in reach] if pads == "same" else [2 * pad for pad in pads]
    sizes = [rng.randint(max(1, r - a), max(1, r - a) + 5) for r, a in zip(reach, added, strict=True)]
    arguments = {"kernel_size": tuple(kernel), "stride": tuple(stride), "dilation": tuple(dilation)}
    arguments |= {"padding": pads if pads == "same" else tuple(pads), "bias": rng.random() < 0.6}
    return {**arguments, "groups": rng.choice([1, 1, 2, 3])}, sizes


_RANGES = ((1, 4), (1, 3), (1, 5), (0, 6))
