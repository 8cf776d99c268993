"""`main.py dashboard ENTITY/PROJECT`: the comparison as pages of W&B, by architecture and padding scheme."""

import argparse
import hashlib
from collections import Counter
from typing import Any

from records.errors import UserError
from studies.runs.wandb_mirror import project_path

DESCRIPTION = """\
Make two pages in a W&B project, for the runs in it and those to come: a workspace (saved view) with the curves over
epochs, the best and last-five values and the runs table, grouped by architecture and padding; and a report with a
section for each architecture, its runs grouped by padding. Prints their addresses."""

EPILOG = """\
Called again it overwrites the pages that it made under the same name, for instance when an architecture was added.
Needs an account that may write to the project."""

PAGES = ("workspace", "report")


def main(arguments: list[str]) -> int:
    """Makes the pages and prints their addresses. Raises UserError where W&B or the project does not let it."""
    options = _parser().parse_args(arguments)
    # Imported late: they take seconds.
    from cli.dashboard.views import content_of, report, workspace
    from studies.runs.wandb_project import configurations, connect, one_message

    runs = configurations(options.project)
    if not runs:
        raise UserError(f"W&B project {options.project} holds no run of this program to make a dashboard of")
    # Runs of early versions did not log what they monitor.
    monitored = Counter(run["monitor"] for run in runs if "monitor" in run)
    if not (metric := options.metric or next(iter(dict(monitored.most_common())), None)):
        raise UserError(f"no run of W&B project {options.project} says what it monitors; name it with --metric")
    content = content_of(options.project, metric, runs)
    with one_message(options.project):
        api = connect()
        if options.only in (None, "workspace"):
            print(f"workspace: {save_workspace(api, workspace(content, options.name))}")
        if options.only in (None, "report"):
            print(f"report: {save_report(api, report(content, options.name))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py dashboard",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("project", type=project_path, metavar="ENTITY/PROJECT")
    parser.add_argument("--metric", metavar="NAME", help="such as val/acc5; default: the metric that most runs monitor")
    parser.add_argument("--only", choices=PAGES, help="make this page alone")
    parser.add_argument("--name", default="Convolution padding", help="title of the pages; default: %(default)s")
    return parser


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
