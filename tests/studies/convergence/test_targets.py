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


def test_the_papers_epochs_stand_beside_runs_of_imagenet_alone(tmp_path, make_run):
    for classes, printed in ((1000, 63), (10, None)):
        config = {"model": {"init_args": {"num_classes": classes}}}
        make_run("resnet50", "partial", folder=f"{classes}/run", values=(80.0,), targets=[74.9], config=config)
        (found,) = targets.reached(collect(tmp_path / f"runs/{classes}"))
        assert found.paper == printed
