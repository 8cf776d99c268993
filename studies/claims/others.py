"""Claims of other papers on padding that the studies test, by the same rules as those of the paper."""

from collections.abc import Iterator
from functools import partial

from studies.border_error.record import BorderErrorRecord
from studies.border_error.table import FOLDER as BORDER_ERRORS
from studies.claims.verdict import Claim, Evidence
from studies.geometry.record import GeometryRecord
from studies.geometry.table import FOLDER as GEOMETRY
from studies.location.record import LocationRecord
from studies.location.table import CHANCE, PUBLISHED
from studies.location.table import FOLDER as LOCATION
from studies.probe.table import rho
from studies.runs.collect import REFERENCE, Collection, Run
from studies.runs.measured import measured_runs, read_measured
from studies.stats.intervals import compare, compare_with, sign_test
from studies.stats.spread import mean

KAYHAN = "Kayhan and van Gemert, CVPR 2020, section 3.2"


def swapped(schemes: tuple[str, ...], collection: Collection) -> Iterator[Evidence]:
    """Accuracy of the red-green test with the halves swapped, one value per seed, under each of `schemes`."""
    records, _ = read_measured(collection.root / LOCATION, LocationRecord)
    for scheme in schemes if records else ():
        if scheme in records[-1].accuracy:
            values = [dissimilar for _, dissimilar in records[-1].values(scheme)]
            yield Evidence(f"red-green, {scheme}", compare_with(values, CHANCE), PUBLISHED[scheme][1])


def against_zero(collection: Collection, values: dict[Run, float]) -> Iterator[Evidence]:
    """Difference, zero padding minus each other scheme of the same network, over the runs that have a value."""
    for group in filter(collection.baseline, collection.groups):
        both = (collection.baseline(group), group)
        sides = [[(run.record.seed, values[run]) for run in side.runs if run in values] for side in both]
        if all(sides):
            yield Evidence(f"{group.network}, zero − {group.padding}", compare(*sides))


def position(collection: Collection) -> Iterator[Evidence]:
    """Spearman's rho of the position probe, mean over its targets."""
    records = measured_runs(collection, "probe")[0].items()
    yield from against_zero(collection, {run: rho(record, "images") for run, record in records})


def used_to_zeros(collection: Collection) -> Iterator[Evidence]:
    """Accuracy at the largest size minus accuracy at the size of training, with the content at the same scale."""
    changes = {}
    for run, record in measured_runs(collection, "sizes")[0].items():
        found = dict(zip(record.how["factors"], record.values["kept"], strict=True))
        largest = max(found)
        if largest > 1 and None not in (found[largest], found[1.0]):
            changes[run] = found[largest] - found[1.0]
    yield from against_zero(collection, changes)


def steadiness(collection: Collection) -> Iterator[Evidence]:
    """meanE: entropy of the classes that a pixel gets in patches around it."""
    records = measured_runs(collection, "seams")[0].items()
    yield from against_zero(collection, {run: record.values["meanE"][0] for run, record in records})


def lopsided(collection: Collection) -> Iterator[Evidence]:
    """Asymmetry of the foveation under zero padding, at sizes with uneven padding minus at sizes with even padding.

    In a network of averages weights and widths do not matter: runs of one network, and networks with the same windows
    (ResNet50 and Wide ResNet50), count as one value.
    """
    asymmetries: dict[str, dict[bool, list[float]]] = {}
    layers: dict[str, set[tuple]] = {}
    for record in read_measured(collection.root / GEOMETRY, GeometryRecord)[0]:
        if found := record.foveation.get(REFERENCE):
            even = all(layer.even for layer in record.windows)
            sides = asymmetries.setdefault(record.network, {True: [], False: []})
            sides[even].append(max(found.left_right, found.top_bottom))
            windows = ((each.layer, each.kernel, each.stride, each.dilation) for each in record.windows)
            layers.setdefault(record.network, set()).update(windows)
    known = {frozenset(layers[name]): sides for name, sides in asymmetries.items() if all(sides.values())}
    if known:
        differences = [mean(sides[False]) - mean(sides[True]) for sides in known.values()]
        yield Evidence("networks at uneven − even sizes, zero", sign_test(differences, 0.0))


def predicted(collection: Collection) -> Iterator[Evidence]:
    """NMSE of each layer alone at the border under linear prediction, over that of zero and of replicate padding."""
    for record in read_measured(collection.root / BORDER_ERRORS, BorderErrorRecord)[0]:
        for scheme in (REFERENCE, "replicate"):
            if {"lp1", scheme} <= record.errors.keys():
                pairs = zip(record.errors["lp1"].alone, record.errors[scheme].alone, strict=True)
                ratios = [ours[0] / theirs[0] for ours, theirs in pairs if theirs[0] > 0]
                if ratios:
                    name = f"{record.network} ({record.weights}), lp1 / {scheme}, by layer"
                    yield Evidence(name, sign_test(ratios, 1.0))


# fmt: off
CLAIMS = (
    Claim("Under zero padding a network reads location: with the halves swapped it is wrong", KAYHAN, "location",
          f"accuracy with swapped halves, percent, against {CHANCE}", False, partial(swapped, (REFERENCE,)), CHANCE),
    Claim("Circular padding and full convolution hide location", KAYHAN, "location",
          f"accuracy with swapped halves, percent, against {CHANCE}", True, partial(swapped, ("circular", "full")),
          CHANCE),
    Claim("Zero padding makes a network encode position", "Islam et al., ICLR 2020 and IJCV 2024", "probe",
          "Spearman's rho of the position probe, zero − other scheme", True, position),
    Claim("A network gets used to its share of zeros, and loses at larger images", "maintainers of nnU-Net", "sizes",
          "change of accuracy at the largest size, zero − other scheme, points", False, used_to_zeros),
    Claim("Linear prediction is nearer to real maps than zero and replication padding", "Niemitalo et al., 2025",
          "border-error", "NMSE at the border, layer alone, lp1 / other scheme, median", False, predicted, 1.0),
    Claim("Under zero padding a pixel's class depends on where the patch around it lies",
          "Mukai and Yamanaka, ICIP 2023", "segmentation", "meanE, zero − other scheme, nats", True, steadiness),
    Claim("Padding that is read on one side alone skews what a network sees", "Alsallakh et al., ICLR 2021", "geometry",
          "asymmetry of foveation, uneven − even sizes, median over networks", True, lopsided),
)
# fmt: on
