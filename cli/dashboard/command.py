"""`main.py dashboard ENTITY/PROJECT`: the comparison as pages of W&B, by architecture and padding scheme."""

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
    """Make two pages in a W&B project, for the runs in it and those to come: a workspace and a report.

    The workspace (saved view) has the curves over epochs, the best and last-five values and the runs table, grouped by
    architecture and padding; the report a section for each architecture, its runs grouped by padding. Prints their
    addresses.

    Called again it overwrites the pages that it made under the same name, for instance when an architecture was added.
    Needs an account that may write to the project.

    Args:
        project: whose runs are compared
        metric: such as val/acc5; default: the metric that most runs monitor
        only: make this page alone
        name: title of the pages
    """
    # Imported late: they take seconds.
    from cli.dashboard.views import content_of, report, workspace
    from studies.runs.wandb_project import configurations, connect, one_message

    runs = configurations(project)
    if not runs:
        raise UserError(f"W&B project {project} holds no run of this program to make a dashboard of")
    # Runs of early versions did not log what they monitor.
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
    """Saves a wandb-workspaces Workspace under a name that follows from its title; returns its address."""
    # W&B knows a view by a name of this form. One that follows from the title is found again.
    page._internal_name = f"nw-{hashlib.sha1(page.name.encode()).hexdigest()[:11]}-v"
    views = api.reports(f"{page.entity}/{page.project}", name=page._internal_name)
    # What the client calls reports are views of the type `runs`; workspaces are asked for in the same way.
    views.variables["viewType"] = "project-view"
    found = [view for view in views if view.name == page._internal_name]
    page._internal_id = found[0].id if found else ""
    return page.save().url


def save_report(api: Any, page: Any) -> str:
    """Saves a wandb-workspaces Report in place of its earlier version; returns its address.

    Raises:
        UserError: if a report of the same title is there that this program did not make.
    """
    views = api.reports(f"{page.entity}/{page.project}")
    found = [view for view in views if view.display_name == page.title]
    if any(view.description != page.description for view in found):
        raise UserError(f"there is a report '{page.title}' that this command did not make; choose another --name")
    page.id = found[0].id if found else ""
    return page.save().url
