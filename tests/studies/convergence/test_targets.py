"""Epochs to a target: runs that never reached it are said, and no difference is taken from the others."""

from studies.convergence import targets
from studies.runs.collect import collect


def test_runs_that_never_reached_it(tmp_path, make_run):
    for seed, values in enumerate([(10.0, 30.0), (10.0, 20.0), (40.0, 20.0)]):
        make_run(seed=seed, values=values, targets=[30.0, 99.0])
        make_run(padding="partial", seed=seed, values=(30.0, 30.0), targets=[30.0])
    collection = collect(tmp_path)
    found = {(each.group.padding, each.target): each for each in targets.reached(collection)}
    zero, partial = found["zero", 30.0], found["partial", 30.0]
    assert (zero.epochs, zero.mean) == ((2, None, 1), 1.5)
    # The means of the epochs are 20 and 23.3.
    assert zero.mean_curve is None
    assert partial.mean_curve == 1
    # A difference from a mean over some runs only would flatter zero padding.
    assert partial.difference is None
    assert found["zero", 99.0].mean is None
    assert "No run reached 99 %." in str(targets.study(collection, tmp_path).blocks)
    reached = targets.reached(collection, [10.0])
    assert [each.difference and each.difference.mean for each in reached] == [None, 0.0]
    assert targets.study(collect(make_run(folder="elsewhere/x").path.parent), tmp_path) is None
