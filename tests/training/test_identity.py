"""The same command finds its run again; another experiment never lands in its folder."""

import pytest

from cli.sweep.resolver import Resolver
from records import differences, settings_digest
from records.errors import UserError

resolve = Resolver()
DEMO = ["fit", "--config=configs/demo/demo.yaml"]


def test_the_name_says_what_runs():
    folder, record = resolve([*DEMO, "--model.padding=partial", "--seed_everything=3"])
    assert (record.group, record.name) == ("tiny_resnet10-partial", "tiny_resnet10-partial-seed3")
    assert folder.path.as_posix() == f"runs/demo/tiny_resnet10-partial-seed3-{record.digest[:8]}"
    assert (record.monitor, record.seed, record.max_epochs) == ("val/acc1", 3, 5)
    assert record.targets == [20, 30, 40, 50, 60]


@pytest.mark.parametrize(
    "option",
    [
        "--data.num_workers=3",
        "--trainer.devices=2",
        "--trainer.logger=false",
        "--convergence.targets=[1]",
        "--data.root=x",
    ],
)
def test_settings_that_do_not_decide_the_result_do_not_change_the_run(option):
    assert resolve([*DEMO, option])[1].id == resolve(DEMO)[1].id


@pytest.mark.parametrize(
    "option",
    [
        "--model.padding=partial",
        "--seed_everything=1",
        "--trainer.max_epochs=10",
        "--data.batch_size=64",
        "--trainer.precision=bf16-mixed",
        "--model.network=cifar_vgg8_bn",
    ],
)
def test_settings_that_decide_the_result_change_the_run(option):
    assert resolve([*DEMO, option])[1].id != resolve(DEMO)[1].id


def test_an_unset_option_of_a_later_version_does_not_orphan_runs():
    config = {"model": {"init_args": {"network": "a"}}}
    assert settings_digest(config) == settings_digest({"model": {"init_args": {"network": "a", "new": None}}})


def test_an_agents_id_is_the_runs_id(monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "agent-1")
    assert resolve(DEMO)[1].id == "agent-1"
    assert resolve([*DEMO, "--run.id=mine"])[1].id == "mine"


def test_bad_arguments_are_user_errors():
    with pytest.raises(UserError, match="no_such"):
        resolve([*DEMO, "--model.no_such=1"])
    with pytest.raises(UserError, match=r"absent\.yaml"):
        resolve(["fit", "--config=absent.yaml"])
    with pytest.raises(UserError, match="seed_everything"):
        resolve([*DEMO, "--seed_everything=true"])
    with pytest.raises(UserError, match="letters, digits"):
        resolve([*DEMO, "--run.id=a/b"])


@pytest.mark.parametrize("monitor", ["val/loss", None])
def test_a_module_names_a_metric_of_which_the_highest_is_the_best(monitor, monkeypatch):
    monkeypatch.setattr("lightning_modules.ClassificationModule.monitor", monitor)
    with pytest.raises(UserError, match=f"has the `monitor` {monitor}; name a metric in percent"):
        Resolver()(DEMO)


def test_differences_name_key_and_values():
    old = {"a": {"b": 1, "c": None}, "run": {"root": "x"}}
    assert differences(old, {"a": {"b": 2, "c": None}, "run": {"root": "y"}}) == ["a.b: 1 -> 2"]
    assert differences(old, {"a": {"b": 1, "c": 3}}) == ["a.c: None -> 3"]
    assert differences(old, {"a": {"b": 1, "c": None, "option_of_a_later_version": 4}}) == []
    old = {"optimizer": None, "model": {"init_args": {"network_args": {"drop_rate": 0.1}, "encoder_args": {}}}}
    new = {"optimizer": {"class_path": "Adam", "init_args": {"lr": 1}}, "model": {"init_args": {"later": {"a": 1}}}}
    new["model"]["init_args"] |= {"network_args": {"drop_rate": 0.1, "drop_path_rate": 0.2}, "encoder_args": None}
    assert differences(old, new) == [
        "model.init_args.network_args: {'drop_rate': 0.1} -> {'drop_rate': 0.1, 'drop_path_rate': 0.2}",
        "optimizer: None -> Adam",
    ]
