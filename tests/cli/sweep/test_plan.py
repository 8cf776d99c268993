"""`sweep --plan`: hours against sums by hand, devices kept apart, what is damaged or missing said, nothing guessed."""

import csv
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import cli.sweep.command
from cli.sweep.file import Point
from cli.sweep.plan import SweepPlan, device_of
from cli.sweep.points import resolve_points
from records import RunFolder, RunRecord
from records.errors import UserError

V100 = {"devices": ["Tesla V100-SXM2-16GB"] * 8, "accelerator": "cuda", "processes": 8, "threads": 4}
CPU = {"devices": ["x86_64"], "accelerator": "cpu", "processes": 2, "threads": 3}
EPOCHS = 4


def record_of(name, **fields):
    network, padding, seed = name.rsplit("-", 2)
    return RunRecord(
        name, name, f"{network}-{padding}", network, padding, int(seed), EPOCHS, "val/acc1", digest=name, **fields
    )


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Below the working folder's runs/: returns a function that writes one."""
    monkeypatch.chdir(tmp_path)

    def write(name, seconds, *attempts, finished=None, folder=None, trainer=None, steps=10, **fields):
        run = RunFolder(Path("runs") / (folder or name))
        record = record_of(name, attempts=list(attempts), **fields)
        record.finished = len(seconds) == EPOCHS if finished is None else finished
        record.id = folder or name
        run.write_record(record)
        run.write_rows(
            [{"epoch": epoch, "step": steps * (epoch + 1), "seconds": value} for epoch, value in enumerate(seconds)]
        )
        run.config.write_text(yaml.safe_dump({"trainer": trainer or {}}))
        return run

    return write


def resolve(arguments):
    name = arguments[-1].partition("=")[2]
    return RunFolder(Path("runs") / name), record_of(name)


def plan_of(*names, resolve=resolve):
    points = [Point({"name": name}, ["main.py", "fit", f"--name={name}"], ["fit", f"--name={name}"]) for name in names]
    return SweepPlan(resolve_points(points, resolve, Path("sweep.yaml")))


def costs(plan, device):
    """(network, padding) to the other cells of its row."""
    return {tuple(row[:2]): tuple(row[2:]) for row in plan.costs(device).rows}


def test_hours_by_hand(runs):
    runs("a-zero-0", [100, 60, 60, 80], V100)
    runs("a-zero-1", [70], V100)
    runs("c-zero-0", [10] * EPOCHS, V100)
    runs("c-partial-0", [20, 40], V100)
    plan = plan_of("a-zero-0", "a-zero-1", "a-partial-0", "a-partial-1", "b-zero-0", "c-zero-0", "c-partial-0")
    assert [run.state for run in plan.runs] == [
        *("finished", "unfinished", *["not started"] * 3, "finished", "unfinished")
    ]
    # The median of 100, 60, 60, 80 and 70 seconds is 70, on 8 GPUs: 560 GPU seconds an epoch.
    epoch = 560 / 3600
    table = costs(plan, "Tesla V100-SXM2-16GB")
    zero, partial, both = table["a", "zero"], table["a", "partial"], table["a", "all"]
    assert zero[:2] == ("1 of 2", "5")
    assert zero[2:] == pytest.approx((370 * 8 / 3600, 3 * epoch, 8 * epoch))
    assert partial[:2] == ("0 of 2", "0, as a")
    assert partial[2:] == pytest.approx((0, 8 * epoch, 8 * epoch))
    assert both[:2] == ("1 of 4", "5")
    assert both[2:] == pytest.approx((370 * 8 / 3600, 11 * epoch, 16 * epoch))
    assert table["b", "zero"][3:] == ("not known (no run of b yet)",) * 2
    # A scheme with runs of its own has its own median.
    assert table["c", "partial"][1:] == ("2", *(pytest.approx(x * 8 / 3600) for x in (60, 60, 120)))
    assert table["all", "all"][3] == "1.84 + not known (no run of b yet)"


def test_kinds_of_devices_are_never_mixed(runs):
    runs("a-zero-0", [36] * EPOCHS, V100)
    runs("a-zero-1", [600] * EPOCHS, CPU)
    # Begun on one device and continued on another: which epoch cost what is not known.
    mixed = runs("a-zero-2", [1, 1], CPU, V100)
    plan = plan_of("a-zero-0", "a-zero-1", "a-zero-2")
    assert plan.devices == ["CPU", "Tesla V100-SXM2-16GB"]
    gpu, cpu = costs(plan, "Tesla V100-SXM2-16GB"), costs(plan, "CPU")
    assert gpu["a", "zero"][1:] == ("4", *(pytest.approx(x * 36 * 8 / 3600) for x in (4, 2, 12)))
    assert cpu["a", "zero"][1:] == ("4", *(pytest.approx(x * 600 * 2 * 3 / 3600) for x in (4, 2, 12)))
    assert [plan.costs(device).title for device in plan.devices] == [
        *("Expected core hours on CPU", "Expected GPU hours on Tesla V100-SXM2-16GB")
    ]
    assert any(str(mixed.path) in note for note in plan.notes())


def test_a_run_that_steps_end_has_fewer_epochs(runs):
    def until_step_31(arguments):
        folder, record = resolve(arguments)
        record.max_epochs, record.max_steps = 9, 31
        return folder, record

    assert plan_of("a-zero-0", resolve=until_step_31).epochs(plan_of("a-zero-0", resolve=until_step_31).runs[0]) == 9
    runs("a-zero-0", [5, 5], V100, finished=False, steps=8)
    plan = plan_of("a-zero-0", "a-zero-1", resolve=until_step_31)
    # 31 steps at 8 an epoch: 4 epochs.
    assert [plan.epochs(run) for run in plan.runs] == [4, 4]
    assert costs(plan, "Tesla V100-SXM2-16GB")["a", "zero"][3] == pytest.approx(6 * 5 * 8 / 3600)


def test_a_run_that_an_agent_began_is_found_by_its_settings_and_continued(runs):
    agents = runs("a-zero-0", [10], V100, folder="a-zero-0-x1y2z3")
    points = [Point({}, ["python", "main.py", "fit", "--name=a-zero-0"], ["fit", "--name=a-zero-0"])]

    def found():
        (run,) = resolve_points(points, resolve, Path("sweep.yaml"))
        return run.folder, run.command

    assert found() == (agents, [*points[0].command, "--run.id=a-zero-0-x1y2z3"])
    finished = runs("a-zero-0", [10, 10], V100, folder="a-zero-0-zz", finished=True)
    assert found() == (finished, [*points[0].command, "--run.id=a-zero-0-zz"]), "the finished one of two"
    own = runs("a-zero-0", [], V100)
    assert found() == (own, points[0].command)


@pytest.fixture
def command(runs, monkeypatch):
    """Writes a sweep of the given runs and plans it; returns the exit status."""
    monkeypatch.setitem(sys.modules, "cli.sweep.resolver", SimpleNamespace(Resolver=lambda: resolve))
    for name in cli.sweep.command.WANDB_IDENTITY:
        monkeypatch.delenv(name, raising=False)
    Path("main.py").touch()

    def plan(*names, options=()):
        Path("sweep.yaml").write_text(
            f"program: main.py\nmethod: grid\nparameters:\n  name: {{values: [{', '.join(names)}]}}\n"
            'command: ["${program}", fit, "${args}"]\n'
        )
        return cli.sweep.command.main(["sweep.yaml", "--plan", *options])

    return plan


def test_damaged_and_missing_runs_are_said_and_the_rest_is_still_counted(runs, command, capsys):
    runs("a-zero-0", [10] * EPOCHS, V100)
    runs("a-zero-1", [10], V100).epochs.write_text("epoch,step\n5,x\n")
    runs("a-zero-2", [10], V100).record_file.write_text("{")
    assert command("a-zero-0", "a-zero-1", "a-zero-2", "a-zero-3") == 0
    shown = capsys.readouterr().out
    assert "sweep.yaml: 4 runs: 1 finished, 1 not started, 2 damaged" in shown
    assert shown.count("damaged, counted as not begun: ") == 2
    assert "epochs.csv, line 2" in shown
    assert "run.json is damaged" in shown
    # Three runs of 4 epochs of 10 seconds on 8 GPUs.
    assert f"{3 * 4 * 10 * 8 / 3600:.2f}" in shown


def test_without_any_run_nothing_is_guessed_nor_made(command, capsys):
    assert command("a-zero-0", "b-zero-0") == 0
    assert "expected hours: not known (no run of a, b yet)" in capsys.readouterr().out
    assert not Path("runs").exists()


def test_the_csv_has_a_row_a_run_and_replaces_nothing_but_itself(runs, command):
    runs("a-zero-0", [36] * 2, V100)
    for _ in range(2):
        assert command("a-zero-0", "a-zero-1", options=["--output", "plan.csv"]) == 0
    with open("plan.csv") as file:
        first, second = csv.DictReader(file)
    assert (first["state"], first["epochs_done"], first["unit"]) == ("unfinished", "2", "GPU hours")
    assert [float(first[name]) for name in ("spent", "left", "whole")] == pytest.approx([0.16, 0.16, 0.32])
    assert (second["folder"], float(second["left"])) == (f"runs{os.sep}a-zero-1", pytest.approx(0.32))
    Path("notes.csv").write_text("mine\n")
    with pytest.raises(UserError, match=r"notes\.csv is there and is no plan"):
        command("a-zero-0", options=["--output", "notes.csv"])
    assert Path("notes.csv").read_text() == "mine\n"
    with pytest.raises(UserError, match=r"/proc cannot be written: .*choose another --output"):
        command("a-zero-0", options=["--output", "/proc/plan.csv"])


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (V100, ("Tesla V100-SXM2-16GB", 8)),
        (CPU, ("CPU", 6)),
        # On the CPU of a machine that has GPUs.
        ({**V100, "accelerator": "cpu", "processes": 1}, ("CPU", 4)),
        ({"devices": ["NVIDIA A100"]}, None),
    ],
)
def test_what_an_attempt_ran_on(attempt, expected):
    assert device_of(attempt) == expected
