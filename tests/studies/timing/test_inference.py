"""How Table 1 is measured: turns, fresh networks for first iterations, a null pair. Times come from a clock made up."""

import itertools
from collections import Counter
from typing import ClassVar

import pytest
import torch
from torch import nn

import padding.reweight
from studies.timing import inference
from studies.timing.inference import Conditions, make_variant, measure_case
from studies.timing.options import Options


class Recorder(nn.Module):
    """A network that notes each forward pass: which copy it is, its scheme, and how many ratios were kept before it."""

    passes: ClassVar[list] = []

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images):
        self.passes.append((self, type(self.convolution).__name__, len(padding.reweight._CACHE._frames)))
        return self.convolution(images)


@pytest.fixture
def passes(monkeypatch):
    monkeypatch.setattr(inference, "create_network", lambda name, classes: Recorder())
    monkeypatch.setattr(Recorder, "passes", [])
    return Recorder.passes


class Watch:
    """A stopwatch that takes no time: measurement number k takes k seconds. Notes what ran within it."""

    def __init__(self, passes):
        self.passes, self.timed, self.count = passes, [], itertools.count(1)

    def __call__(self, step):
        before = len(self.passes)
        step()
        self.timed += self.passes[before:]
        return float(next(self.count))


def measured(passes, **changes):
    watch = Watch(passes)
    options = Options(schemes=("partial", "reflect"), **{"rounds": 20, "first_rounds": 3, "warm_up": 2, **changes})
    case, failed = measure_case("recorder", (8, 6), "eager", Conditions(options, torch.device("cpu"), watch))
    return case, failed, watch.timed


def test_each_round_runs_all_in_an_order_of_its_own(passes):
    case, failed, _ = measured(passes)
    assert not failed
    assert (case.converted, case.height, case.width) == (1, 8, 6)
    assert set(case.later) == {"zero", "zero again", "partial", "reflect"}
    assert {len(seconds) for seconds in case.later.values()} == {20}
    assert {len(seconds) for seconds in case.first.values()} == {3}
    # The clock counts: a round's four times are neighbours, and over the rounds each scheme has had each place.
    rounds = list(zip(*case.later.values(), strict=True))
    assert all(max(times) - min(times) == 3 for times in rounds)
    assert all(
        len({time - min(times) for time, times in zip(own, rounds, strict=True)}) == 4 for own in case.later.values()
    )
    assert case.later == measured(passes)[0].later


def test_a_first_iteration_is_on_a_new_network_without_ratios_and_later_ones_are_not(passes):
    _, _, timed = measured(passes)
    firsts, later = timed[1 : 1 + 3 * 4], timed[1 + 3 * 4 :]
    assert len({id(network) for network, _, _ in firsts}) == 12
    assert Counter(kind for _, kind, _ in firsts) == {"Conv2d": 6, "PartialConv2d": 3, "ReflectConv2d": 3}
    assert {kept for _, kind, kept in firsts if kind == "PartialConv2d"} == {0}
    # The first of them, which are not counted, come to what was forgotten for the last of the first iterations.
    assert {kept for _, kind, kept in later[2 * 4 :] if kind == "PartialConv2d"} == {1}
    # One network for each of zero, zero again, partial, reflect.
    assert set(Counter(id(network) for network, _, _ in later).values()) == {22}
    assert len({id(network) for network, _, _ in later}) == 4
    # Each scheme has run untimed before anything is timed.
    assert {kind for _, kind, _ in passes[:6]} == {"Conv2d", "PartialConv2d", "ReflectConv2d"}


def test_copies_share_the_weights_and_nothing_else():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    variant, report = make_variant(network, "partial")
    assert report.converted == ["0"]
    assert type(network[0]) is nn.Conv2d
    assert variant[0] is not network[0]
    assert all(
        own is theirs
        for own, theirs in zip(
            variant.state_dict(keep_vars=True).values(), network.state_dict(keep_vars=True).values(), strict=True
        )
    )
    assert make_variant(network, "zero again")[0][0] is not network[0]


def test_a_scheme_that_fails_is_named_and_the_others_are_measured(passes, monkeypatch):
    forward = Recorder.forward

    def refuse(self, images):
        if type(self.convolution).__name__ == "ReflectConv2d" and len(passes) > 10:
            raise RuntimeError("out of memory\nand a page more")
        return forward(self, images)

    monkeypatch.setattr(Recorder, "forward", refuse)
    case, failed, _ = measured(passes)
    assert failed == {"reflect": "out of memory"}
    assert set(case.first) == {"zero", "zero again", "partial"}
