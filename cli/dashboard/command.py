"""`main.py dashboard ENTITY/PROJECT`: makes W&B pages that compare runs by architecture and padding scheme."""

import hashlib
from collections import Counter
from typing import Any, Literal

from records.errors import UserError
from studies.runs.command import Project
from studies.runs.options import run


def main(arguments: list[str]) -> int:
    """Makes the pages; returns the exit status. Raises UserError if W&B refuses."""
    return run("dashboard", make_pages, arguments)


def make_pages(
    project: Project,
    *,
    metric: str | None = None,
    only: Literal["workspace", "report"] | None = None,
    name: str = "Convolution padding",
) -> int:
    """Makes two pages in a W&B project, for its present and future runs: a workspace and a report.

    The workspace (saved view) has the curves over epochs, the best and last-five values and the runs table, grouped by
    architecture and padding. The report has a section per architecture, whose runs are grouped by padding. Prints the
    addresses of the pages.

    Started again, it overwrites the pages that it made under the same name, for instance to add an architecture. Needs
    an account that may write to the project.

    Args:
        project: W&B project of the runs, as ENTITY/PROJECT
        metric: metric to show, such as val/acc5; default: the metric that most runs monitor
        only: the only page to make; default: both
        name: title of the pages
    """
    # Imported late, since these imports take seconds, which --help need not wait for.
    from cli.dashboard.views import content_of, report, workspace
    from studies.runs.wandb_project import configurations, connect, one_message

    runs = configurations(project)
    if not runs:
        raise UserError(f"W&B project {project} holds no run of this program to make a dashboard of")
    # Runs of early versions did not log the monitored metric.
    monitored = Counter(run["monitor"] for run in runs if "monitor" in run)
    if not (metric := metric or next(iter(dict(monitored.most_common())), None)):
        raise UserError(f"no run of W&B project {project} says what it monitors; name it with --metric")
    content = content_of(project, metric, runs)
    with one_message(project):
        api = connect()
        if only != "report":
            print(f"workspace: {save_workspace(api, workspace(content, name))}")
        if only != "workspace":
            print(f"report: {save_report(api, report(content, name))}")
    return 0


def save_workspace(api: Any, page: Any) -> str:
    """Saves a wandb-workspaces Workspace under an internal name derived from its title; returns its address."""
    # W&B identifies a view by a name of this form. A name derived from the title is found again by the next call.
    page._internal_name = f"nw-{hashlib.sha1(page.name.encode()).hexdigest()[:11]}-v"
    views = api.reports(f"{page.entity}/{page.project}", name=page._internal_name)
    # The client can list only reports, which are views of the type `runs`; with another type it lists workspaces.
    views.variables["viewType"] = "project-view"
    page._internal_id = next((view.id for view in views if view.name == page._internal_name), "")
    return page.save().url


def save_report(api: Any, page: Any) -> str:
    """Saves a wandb-workspaces Report over its earlier version; returns its address.

    Raises:
        UserError: if this program did not make the existing report of that title.
    """
    views = api.reports(f"{page.entity}/{page.project}")
    found = [view for view in views if view.display_name == page.title]
    if any(view.description != page.description for view in found):
        raise UserError(f"there is a report '{page.title}' that this command did not make; choose another --name")
    page.id = found[0].id if found else ""
    return page.save().url
