"""The studies and the dashboard of a W&B project, through W&B's own clients, against the loopback server."""

import pytest
import wandb

from records import RunFolder, find_runs
from tests.support.program import fit, main, main_here
from tests.support.wandb_operations import OPERATIONS
from tests.support.wandb_reading import Reading
from tests.support.wandb_server import WandbServer

FOREIGN = 55
"""Runs of another program in the project, enough for W&B's lists to come in two pages."""


@pytest.fixture(scope="module")
def logged(sample_tree, tmp_path_factory):
    """The server after two trainings that logged to it as users do; and the folder of their run folders."""
    runs, reading = tmp_path_factory.mktemp("logged"), Reading()
    with WandbServer({**OPERATIONS, **reading.operations}) as server:
        project = server.world.project("lab", "pads")
        for number in range(FOREIGN):
            project.new_run(f"foreign{number}").state = "finished"
        environment = server.environment(runs / "wandb_home", WANDB_ENTITY="lab", WANDB_PROJECT="pads")
        for padding in ("zero", "partial"):
            main(*fit(runs, sample_tree), f"--model.padding={padding}", environment=environment)
        yield server, reading, runs


@pytest.fixture
def server(logged, tmp_path, monkeypatch):
    """The server as this process's W&B; the working folder is empty."""
    server, _, _ = logged
    for name, value in server.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    wandb.teardown()
    yield server
    wandb.teardown()


def test_a_project_is_reported_like_the_run_folders_it_was_logged_from(logged, server, tmp_path, capsys):
    _, _, runs = logged
    assert main_here("report", str(runs), "--output", "local") == 0
    assert main_here("report", "--wandb", "lab/pads", "--output", "ours") == 0, capsys.readouterr().err
    shown = capsys.readouterr().out

    assert server.unknown == []
    originals = find_runs(runs)
    copies = {folder.read_record().id: folder for folder in find_runs("runs/wandb/lab/pads")}
    assert len(originals) == len(copies) == 2
    for original in originals:
        copy: RunFolder = copies[original.read_record().id]
        record = original.read_record()
        record.attempts[-1]["ended"] = None  # noted here when W&B has the file already
        assert copy.read_record() == record
        for path in (original.config, original.epochs):
            assert (copy.path / path.name).read_bytes() == path.read_bytes()

    tables = [path.name for path in (tmp_path / "local").iterdir() if path.suffix in (".csv", ".md")]
    assert "table2_best.csv" in tables
    for name in tables:
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    page = (tmp_path / "ours" / "report.html").read_text()
    for run_id in copies:
        assert f'<a href="{server.world.url}/lab/pads/runs/{run_id}">W&amp;B</a>' in page
    assert shown.count("no run of this program") == page.count("no run of this program") == FOREIGN


def test_the_dashboard_groups_by_padding_and_is_made_once(logged, server, capsys):
    _, reading, _ = logged
    assert main_here("dashboard", "lab/pads") == 0, capsys.readouterr().err
    addresses = capsys.readouterr().out
    assert main_here("dashboard", "lab/pads") == 0
    assert capsys.readouterr().out == addresses
    assert server.unknown == []

    workspace, report = sorted(reading.views.values(), key=lambda view: view["type"])
    assert (workspace["type"], report["type"]) == ("project-view", "runs")
    assert workspace["saved"] == report["saved"] == 2
    assert f"{server.world.url}/lab/pads?nw={workspace['name'][3:-2]}" in addresses
    assert f"--{report['id']}" in addresses

    (runs,) = workspace["spec"]["section"]["runSets"]
    assert runs["grouping"] == [config("compared_as"), config("padding")]
    (grid,) = [block for block in report["spec"]["blocks"] if block["type"] == "panel-grid"]
    (runs,) = grid["metadata"]["runSets"]
    assert runs["grouping"] == [config("padding")]
    (only,) = runs["filters"]["filters"]
    assert (only["key"]["name"], only["op"], only["value"]) == ("compared_as", "IN", ["tiny_resnet10"])
    panels = grid["metadata"]["panelBankSectionConfig"]["panels"]
    assert {panel["config"]["groupBy"] for panel in panels} == {"padding.value"}
    shown = {(panel["viewType"], *panel["config"]["metrics"]): panel["config"].get("xAxis") for panel in panels}
    curves = {("Run History Line Plot", name): "epoch" for name in ("val/acc1", "val/loss", "train/loss")}
    assert shown == curves | {("Bar Chart", "best/val/acc1"): None, ("Bar Chart", "last5/val/acc1"): None}

    # What the pages group by and show is there in the runs.
    for run in server.world.projects["lab", "pads"].runs.values():
        if not run.name.startswith("foreign"):
            assert run.config["compared_as"] == "tiny_resnet10"
            assert run.config["padding"] in ("zero", "partial")
            assert {"best/val/acc1", "last5/val/acc1"} <= run.summary.keys()


def test_somebodys_report_of_the_same_name_stays(logged, server, capsys):
    _, reading, _ = logged
    theirs = {"entity": "lab", "project": "pads", "type": "runs", "name": "x", "displayName": "Ours", "saved": 1}
    reading.views["theirs"] = {**theirs, "id": "theirs", "description": "by hand", "spec": {}}
    before = {name: dict(view) for name, view in reading.views.items()}
    assert main_here("dashboard", "lab/pads", "--name", "Ours", "--only", "report") == 2
    assert "choose another --name" in capsys.readouterr().err
    assert reading.views == before


@pytest.mark.parametrize(
    ("variables", "project", "message"),
    [
        ({"WANDB_API_KEY": "x" * 40}, "lab/pads", "who are you"),
        ({"WANDB_API_KEY": ""}, "lab/pads", "wandb login"),
        ({}, "lab/absent", "Could not find project absent"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, "lab/pads", "127.0.0.1:9/graphql giving up after 4 attempt(s)"),
    ],
)
def test_trouble_with_wandb_is_one_message(server, monkeypatch, capfd, variables, project, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = list(server.unknown)
    assert main_here("report", "--wandb", project) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    server.unknown[:] = before


def config(name):
    return {"section": "config", "name": f"{name}.value"}
