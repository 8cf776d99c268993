"""Builds the W&B pages that compare the runs of a project: a workspace and a report, as objects of wandb-workspaces.

A workspace has one set of runs, here grouped by architecture and then padding. A report has a set of runs per section,
so each architecture gets a section, whose runs are grouped by padding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from records.summary import LAST
from studies.page import palette
from studies.runs.collect import natural, scheme_order

LOSSES = ("val/loss", "train/loss")
DESCRIPTION = "Made by `main.py dashboard`, which overwrites it when it is called again."

# W&B shows ten runs or groups by default, and averages ten runs.
SHOWN = 100
WIDTH = 8
"""Width of a panel, in W&B's grid of 24 columns."""


@dataclass(frozen=True)
class DashboardContent:
    """The content of the pages.

    Attributes:
        project: ENTITY/PROJECT.
        metric: metric by which the runs are compared, such as val/acc1.
        schemes: architecture (RunRecord.compared_as) to its schemes, both in the order of the report.
    """

    project: str
    metric: str
    schemes: dict[str, tuple[str, ...]]

    @property
    def place(self) -> dict[str, str]:
        """Entity and project, as W&B's classes take them."""
        return dict(zip(("entity", "project"), self.project.split("/"), strict=True))

    @property
    def colours(self) -> dict[str, str]:
        """Maps a scheme to its colour in `main.py report`."""
        every = sorted({scheme for schemes in self.schemes.values() for scheme in schemes}, key=scheme_order)
        return {scheme: palette.LIGHT[style.index] for scheme, style in palette.styles(every).items()}


def content_of(project: str, metric: str, runs: Iterable[dict[str, Any]]) -> DashboardContent:
    """Collects the architectures and schemes of runs from their configurations in W&B."""
    found: dict[str, set[str]] = {}
    for config in runs:
        found.setdefault(config["compared_as"], set()).add(config["padding"])
    names = sorted(found, key=natural)
    return DashboardContent(project, metric, {name: tuple(sorted(found[name], key=scheme_order)) for name in names})


def workspace(content: DashboardContent, title: str) -> ws.Workspace:
    """Makes a saved view: curves, bars and the runs table, grouped by architecture and padding."""
    colours = {
        ws.GroupPath(network, scheme): content.colours[scheme]
        for network, schemes in content.schemes.items()
        for scheme in schemes
    }
    return ws.Workspace(
        **content.place,
        name=title,
        sections=[
            ws.Section(name="Curves", panels=curves(content.metric), is_open=True, pinned=True),
            ws.Section(name="Best, and average of the last five", panels=bars(content.metric), is_open=True),
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=SHOWN),
        runset_settings=ws.RunsetSettings(
            groupby=[expr.Config("compared_as"), expr.Config("padding")],
            group_colors=colours,
            pinned_columns=columns(content.metric),
        ),
    )


def report(content: DashboardContent, title: str) -> wr.Report:
    """Makes a report with a section per architecture: its curves and bars by padding, and the table of its runs."""
    blocks = [block for network in content.schemes for block in (wr.H2(text=network), _grid(content, network))]
    return wr.Report(**content.place, title=title, description=DESCRIPTION, blocks=blocks, width="fluid")


def _grid(content: DashboardContent, network: str) -> wr.PanelGrid:
    runs = wr.Runset(
        **content.place,
        name=network,
        filters=expr.And(expr.Config("compared_as").isin([network])),
        groupby=["config.padding"],
        pinned_columns=columns(content.metric),
    )
    padding = wr.Config("padding")
    keys = {scheme: (wr.RunsetGroupKey(key=padding, value=scheme),) for scheme in content.schemes[network]}
    colours = {wr.RunsetGroup(runset_name=network, keys=keys[each]): content.colours[each] for each in keys}
    panels = [*curves(content.metric, padding), *bars(content.metric, padding)]
    for number, panel in enumerate(panels):
        panel.layout = wr.Layout(x=number % 3 * WIDTH, y=number // 3 * 6, w=WIDTH, h=6)
    return wr.PanelGrid(runsets=[runs], panels=panels, custom_run_colors=colours)


def curves(metric: str, groupby: wr.Config | None = None) -> list[wr.LinePlot]:
    """Mean per epoch, and the band from the lowest to the highest run (Figure 3), by `groupby` or as the runs are."""
    # A dict, since `metric` may be one of LOSSES.
    names = dict.fromkeys([metric, *LOSSES])
    shown = {"groupby": groupby, "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax", "max_runs_to_show": SHOWN}
    return [wr.LinePlot(title=name, x="epoch", y=[name], **shown) for name in names]


def bars(metric: str, groupby: wr.Config | None = None) -> list[wr.BarPlot]:
    """Mean and standard deviation of the two ways of reporting (Tables 2 and 3)."""
    shown = {"groupby": groupby, "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev", "max_runs_to_show": SHOWN}
    return [wr.BarPlot(title=name, metrics=[name], **shown) for name in summaries(metric)]


def columns(metric: str) -> list[str]:
    """Columns of the runs table, in W&B's notation."""
    configs = [f"config:{name}.value" for name in ("compared_as", "padding", "seed")]
    return ["run:displayName", "run:state", *configs, *(f"summary:{name}" for name in summaries(metric))]


def summaries(metric: str) -> tuple[str, str]:
    """Names of the summary values of each run (records.summarise)."""
    return (f"best/{metric}", f"last{LAST}/{metric}")
