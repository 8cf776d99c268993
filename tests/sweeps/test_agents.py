"""Sweeps with W&B's own programs: `wandb sweep`, `wandb agent` and the client, against a server on this machine."""

import itertools
from collections.abc import Iterator
from statistics import fmean

import pytest

from records import WANDB_PREFIX, RunFolder
from tests.support.program import fit, killed, main, only_run, rows_without_time
from tests.support.wandb_programs import Laboratory, output_of
from tests.support.wandb_server import WandbServer
from tests.support.wandb_state import Run


@pytest.fixture
def laboratory(tmp_path, sample_tree) -> Iterator[Laboratory]:
    with WandbServer() as server:
        yield Laboratory(server, tmp_path, sample_tree)
        assert server.unknown == []


def curve(run: Run) -> list[dict]:
    """The points that W&B draws over `epoch`, in the order they were logged, without the client's own columns."""
    points = [line for line in run.history() if "epoch" in line]
    return [{key: value for key, value in point.items() if not key.startswith("_")} for point in points]


def assert_shows(run: Run, folder: RunFolder) -> None:
    """Every epoch of the run folder stands once on the curve; names and summary are the run's."""
    rows = folder.read_rows()
    assert [{**row, "trainer/global_step": row["step"]} for row in rows] == [
        {**point, "step": point["trainer/global_step"]} for point in curve(run)
    ]
    record = folder.read_record()
    assert len(rows) == record.max_epochs
    assert run.group == f"{record.network}-{record.padding}"
    assert run.display_name == f"{run.group}-seed{record.seed}"
    assert {name: run.config[name] for name in ("network", "padding", "seed")} == {
        "network": record.network,
        "padding": record.padding,
        "seed": record.seed,
    }
    accuracies = [row["val/acc1"] for row in rows]
    assert run.summary["best/val/acc1"] == max(accuracies)
    assert run.summary["last5/val/acc1"] == pytest.approx(fmean(accuracies[-5:]))
    assert run.summary["epoch"] == rows[-1]["epoch"]


def test_two_agents_run_each_point_of_a_grid_once(laboratory):
    paddings, seeds = ["partial", "zero"], [1]
    sweep = laboratory.register(
        parameters={
            "seed_everything": {"values": seeds},
            "model.padding": {"values": paddings},
            "trainer.max_epochs": {"value": 2},
        }
    )
    for agent in [laboratory.start_agent(sweep), laboratory.start_agent(sweep)]:
        output_of(agent)

    runs = list(laboratory.project.runs.values())
    assert sweep.state == "FINISHED"
    assert [(run.config["padding"], run.config["seed"]) for run in runs] == list(itertools.product(paddings, seeds))
    assert [(kind, name) for _, kind, name in sweep.commands] == [("run", run.name) for run in runs]
    assert len({agent for agent, _, _ in sweep.commands}) == 2
    for run in runs:
        assert (run.state, run.exit_code, run.sessions) == ("finished", 0, 1)
        assert_shows(run, laboratory.folder_of(run))


@pytest.mark.slow
def test_failing_points_are_shown_as_failed_and_the_others_run(laboratory):
    """One value is no number; one makes the loss overflow in mid-run, which anomaly detection turns into an error."""
    sweep = laboratory.register(
        parameters={
            "model.lr": {"values": ["much", 1e30, 0.05]},
            "trainer.detect_anomaly": {"value": True},
            "trainer.max_epochs": {"value": 1},
        }
    )
    output_of(laboratory.start_agent(sweep))
    invalid, broken, good = laboratory.project.runs.values()
    assert (invalid.state, invalid.sessions) == ("crashed", 0)
    assert (broken.state, broken.exit_code, broken.sessions) == ("failed", 1, 1)
    assert (good.state, good.exit_code) == ("finished", 0)
    assert_shows(good, laboratory.folder_of(good))
    # Nothing that failed by itself is handed out again.
    assert [kind for _, kind, _ in sweep.commands] == ["run"] * 3


def test_a_preempted_run_is_requeued_and_resumed_by_another_agent(laboratory, trained_pair):
    """The agent gets SIGTERM, as from a cluster, in the run's 14th step of 24; a process has 14 steps but once."""
    command = ["${env}", "${interpreter}", "${program}", "agent", "14", "fit", "--config", "configs/demo/demo.yaml"]
    sweep = laboratory.register(
        program="tests/support/killed.py",
        command=[*command, "${args}"],
        parameters={"model.padding": {"value": "partial"}},
    )
    output_of(laboratory.start_agent(sweep, "--forward-signals"))
    (run,) = laboratory.project.runs.values()
    assert (run.state, run.exit_code, run.preempting) == ("preempted", 143, True)
    assert [point["epoch"] for point in curve(run)] == [0]

    output_of(laboratory.start_agent(sweep))
    assert list(laboratory.project.runs.values()) == [run]
    assert [(agent, kind) for agent, kind, _ in sweep.commands] == [("agent0", "run"), ("agent1", "resume")]
    assert (run.state, run.exit_code, run.sessions) == ("finished", 0, 2)
    folder = laboratory.folder_of(run)
    assert [attempt["resumed_from"] for attempt in folder.read_record().attempts] == [None, "resume-0000000014.ckpt"]
    assert_shows(run, folder)

    assert rows_without_time(folder) == rows_without_time(RunFolder(trained_pair / "partial"))


@pytest.mark.slow
def test_a_run_preempted_while_it_starts_is_requeued(laboratory):
    """The signal comes before anything heavy is imported, and waits until W&B knows the run."""
    command = ["${env}", "${interpreter}", "${program}", "agent", "0", "fit", "--config", "configs/demo/demo.yaml"]
    sweep = laboratory.register(
        program="tests/support/killed.py",
        command=[*command, "${args}"],
        parameters={"trainer.max_epochs": {"value": 1}},
    )
    output_of(laboratory.start_agent(sweep, "--forward-signals"))
    (run,) = laboratory.project.runs.values()
    assert (run.state, run.exit_code, run.preempting) == ("preempted", 143, True)
    output_of(laboratory.start_agent(sweep))
    assert [(agent, kind) for agent, kind, _ in sweep.commands] == [("agent0", "run"), ("agent1", "resume")]
    assert (run.state, run.exit_code, run.sessions) == ("finished", 0, 2)


@pytest.mark.slow
def test_two_processes_under_an_agent_are_one_run(laboratory):
    sweep = laboratory.register(
        parameters={
            "trainer.devices": {"value": 2},
            "trainer.strategy": {"value": "ddp"},
            "trainer.max_epochs": {"value": 1},
        }
    )
    output_of(laboratory.start_agent(sweep))
    (run,) = laboratory.project.runs.values()
    assert (run.state, run.exit_code, run.sessions) == ("finished", 0, 1)
    assert run.config["trainer"]["devices"] == "2"
    assert_shows(run, laboratory.folder_of(run))


def test_offline_segments_are_synced_to_the_curve_that_an_online_run_has(laboratory, sample_tree):
    """Preempted, killed, and resumed; the first segment is uploaded before the others exist."""
    arguments = fit(laboratory.runs, sample_tree, "--model.padding=partial")
    killed("term", 14, *arguments)
    folder = only_run(laboratory.runs)
    upload(laboratory, folder)
    (run,) = laboratory.project.runs.values()
    assert [point["epoch"] for point in curve(run)] == [0]

    killed("step", 5, *arguments)
    main(*arguments)
    upload(laboratory, folder)
    # The killed one may have come to its first record or not; if not it is set aside.
    segments = len(list(folder.path.glob("wandb/offline-run-*")))
    assert segments + len(list(folder.path.glob("wandb/empty-offline-run-*"))) == 3
    assert list(laboratory.project.runs.values()) == [run]
    assert (run.state, run.exit_code, run.sessions) == ("finished", 0, segments)
    assert_shows(run, folder)
    # The files are those of the last attempt, though the first was uploaded twice.
    for path in folder.core_files:
        assert run.uploads[f"{WANDB_PREFIX}{path.name}"] == path.read_bytes()


def upload(laboratory: Laboratory, folder: RunFolder) -> None:
    """As docs/sweeps.md says: all segments, those that were uploaded before among them."""
    laboratory.wandb("sync", *sorted(map(str, folder.path.glob("wandb/offline-run-*"))))
