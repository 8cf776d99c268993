"""The runs of a sweep's points: the same as `fit` finds, from few parses; and refused before the first one starts."""

import itertools
import os

import pytest
import yaml

from cli.sweep import resolver
from cli.sweep.resolver import PointCLI, Resolver
from records.configuration import flatten
from records.errors import UserError
from tests.support.program import NO_DASHBOARD, ROOT, fit, refusal
from training.identity import identify
from training.program import parse


@pytest.fixture
def counted(monkeypatch):
    """A resolver and the command lines that it parsed."""
    parsed = []
    original = Resolver._parse
    monkeypatch.setattr(Resolver, "_parse", lambda self, line: parsed.append(line) or original(self, line))
    monkeypatch.chdir(ROOT)
    return Resolver(), parsed


DEMO = ["fit", "--config=configs/demo/demo.yaml"]


def lines(start, **options):
    """A command line for each combination, the last option varying fastest."""
    for values in itertools.product(*options.values()):
        named = zip(options, values, strict=True)
        yield ["fit", f"--config=configs/{start}.yaml", *(f"--{name.replace('__', '.')}={v}" for name, v in named)]


def test_each_value_is_parsed_once_and_not_each_combination(counted):
    resolve, parsed = counted
    options = {"seed_everything": range(50), "model__padding": ["zero", "partial"], "model__lr": [0.1, "1e-2", 1]}
    many = list(lines("demo/demo", **options, model__milestones=["[1,2]", "[3]"]))
    found = [resolve(line)[1].digest for line in many]
    # The first line; a padding, two rates and the milestones; and three for comparison.
    assert (len(many), len(parsed), len(set(found))) == (600, 1 + 1 + 2 + 1 + 3, 600)
    for index in (0, 1, 7, 299, 599):
        assert found[index] == identify(parse(many[index]))[1].digest
    with pytest.raises(UserError, match="seed_everything"):
        resolve([*many[0][:2], "--seed_everything=much", *many[0][3:]])


def test_an_option_given_twice_is_parsed_as_it_stands(counted, tmp_path):
    """The second configuration alone would be refused."""
    (tmp_path / "more.yaml").write_text("trainer: {max_epochs: 2}")
    for rate in (0.1, 0.2):
        config = counted[0].config([*DEMO, f"--config={tmp_path}/more.yaml", f"--model.lr={rate}"])
        assert (config["trainer.max_epochs"], config["model.init_args.lr"]) == (2, rate)


def test_an_option_that_changes_two_places_is_parsed_in_every_combination(counted):
    resolve, parsed = counted
    for number, rate in itertools.product((1, 2), (0.1, 0.2, 0.3, 0.4, 0.5)):
        config = resolve.config(
            [*DEMO, f"--run={{root: r{number}, checkpoint_every_n_steps: {number}}}", f"--model.lr={rate}"]
        )
        assert (config["run.root"], config["model.init_args.lr"]) == (f"r{number}", rate)
    assert len(parsed) == 11


@pytest.mark.parametrize(
    "options",
    [
        {"config": ["configs/demo/demo.yaml", "configs/cifar10/resnet18.yaml"], "model__lr": [0.1, 0.2]},
        {"model__network_args": ["{a: 1}", "{b: 2}"], "model__network_args__c": [1, 2], "model__lr": [0.1, 0.2]},
        {"model__lr": [0.1, 0.2], "model__init_args__lr": [0.3, 0.4], "run__root": ["a", "b"]},
        {
            "model__class_path": [
                "lightning_modules.ClassificationModule",
                "lightning_modules.classification.ClassificationModule",
            ],
            "model__padding": ["zero", "partial"],
            "trainer__max_epochs": [2, 3],
        },
        {
            "trainer__precision": ["32-true", "bf16-mixed"],
            "data__cache_index": ["true", "false"],
            "data__image_size": [24, 32],
        },
    ],
)
def test_options_that_change_more_than_their_own_place_are_resolved_as_alone(counted, options, monkeypatch):
    resolve, alone = counted[0], Resolver()
    monkeypatch.setattr(resolver, "VERIFIED", 0)  # what is compared with the parser would hide what is not
    for line in lines("demo/demo", **options):
        assert resolve.config(line) == alone._parse(line), line
    assert resolve.config(line) == flatten(parse(line))


@pytest.fixture
def sweep(sample_tree, tmp_path, monkeypatch):
    """Writes a sweep over the values of one option; returns the command line that runs it."""
    monkeypatch.chdir(ROOT)

    def write(name, *values):
        values = [yaml.safe_load(value) for value in values]
        command = ["${interpreter}", "${program}", *fit(tmp_path / "runs", sample_tree, NO_DASHBOARD), "${args}"]
        parameters = {name: {"values": values}, "seed_everything": {"values": [0, 1, 2]}}
        content = {"program": "main.py", "method": "grid", "parameters": parameters, "command": command}
        (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return "sweep", str(tmp_path / "sweep.yaml")

    yield write
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.padding", "zreo", "zreo"),
        ("model.network", "tiny_resnet11", "timm has no model 'tiny_resnet11'"),
        ("model.lr", "-0.1", "model.lr is -0.1"),
        ("model.num_classes", "7", "the data has 10 classes"),
        ("model.padding_at_test", "zero", "leave it out of fit"),
        ("data.root", "/absent", "/absent"),
        ("data.seed", "0", "data.seed is 0, but seed_everything 1 decides it"),
        ("data.batch_size", "100000", "100000"),
        ("ckpt_path", "absent.ckpt", "absent.ckpt is no file"),
        ("trainer.precision", "12", "precision"),
    ],
)
def test_a_point_that_fit_refuses_is_named_before_the_first_starts(sweep, capsys, name, value, message):
    good = {"model.num_classes": "10", "model.lr": "0.1", "data.batch_size": "16", "trainer.precision": "32"}
    values = [good[name], value] if name in good else [value]
    for options in ((), ("--dry-run",)) if name == "model.padding" else ((),):
        error = refusal(capsys, *sweep(name, *values), *options)
        assert f"sweep.yaml: point {name}={value}" in error
        assert message in error


def test_one_id_for_all_points_is_refused(sweep, capsys):
    assert "seed_everything=0 and run.id=mine seed_everything=1 have one id, mine" in refusal(
        capsys, *sweep("run.id", "mine")
    )


def test_what_points_have_in_common_is_built_once(counted, sample_tree, tmp_path, monkeypatch):
    monkeypatch.delenv("MASTER_PORT", raising=False)  # of a test before
    resolve, built, build = counted[0], [], PointCLI.build
    monkeypatch.setattr(PointCLI, "build", lambda self, name, config: built.append(name) or build(self, name, config))
    for seed, padding, size in itertools.product(range(4), ("zero", "partial"), (16, 32)):
        options = [f"--seed_everything={seed}", f"--model.padding={padding}", f"--data.batch_size={size}", NO_DASHBOARD]
        resolve.check(fit(tmp_path, sample_tree, *options))
    assert (built.count("model"), built.count("data")) == (2, 2)
    assert not list(tmp_path.glob("*/run.json"))
    assert all(parameter.is_meta for parameter in resolve._cli.model.parameters())
    assert "MASTER_PORT" not in os.environ
