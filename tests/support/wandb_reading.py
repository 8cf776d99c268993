"""What `wandb.Api` and wandb-workspaces ask the loopback server for: runs, whole histories, and saved views.

reading = Reading()
with WandbServer({**OPERATIONS, **reading.operations}) as server:
    ...
    reading.views  # what was saved
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.wandb_operations import Data, Handler, RefusedError
from tests.support.wandb_state import ENTITY, Project, Run, World


@dataclass
class Reading:
    """The operations, and the views that were saved through them.

    Attributes:
        views: by id: entity, project, type ("project-view" for a workspace, "runs" for a report), name, displayName,
            spec (parsed) and how often it was saved.
    """

    views: dict[str, Data] = field(default_factory=dict)

    @property
    def operations(self) -> dict[str, Handler]:
        return {
            "GetDefaultEntity": lambda *_: {"viewer": {"id": "user:1", "entity": ENTITY}},
            "Runs": runs,
            "RunFiles": run_files,
            "GetProjects": projects,
            "ProjectInternalId": lambda *_: {"project": {"id": "1", "internalId": "1"}},
            "ProjectViews": self.list_views,
            "UpsertView2": self.upsert_view,
            "upsertView": self.upsert_view,
        }

    def list_views(self, world: World, variables: Data) -> Data:
        if world.find_project(variables["entity"], variables["project"]) is None:
            return {"project": None}
        wanted = {name: variables[name] for name in ("entity", "project")}
        # The defaults are those of the query.
        wanted |= {"type": variables.get("viewType", "runs")}
        wanted |= {"name": variables["viewName"]} if variables.get("viewName") else {}
        views = [view for view in self.views.values() if wanted.items() <= view.items()]
        return {"project": {"allViews": page_of({view["id"]: view_node(view) for view in views})}}

    def upsert_view(self, world: World, variables: Data) -> Data:
        """As the client's code has it: with an id that view changes, without one there is a new view."""
        identity = variables.get("id") or f"view{len(self.views)}"
        if variables.get("id") and identity not in self.views:
            raise RefusedError(f"no view {identity}")
        view = self.views.setdefault(identity, {"id": identity, "saved": 0})
        view |= {name: variables[name] for name in ("name", "displayName", "description", "type")}
        view |= {"entity": variables["entityName"], "project": variables["projectName"], "saved": view["saved"] + 1}
        inserted, view["spec"] = view["saved"] == 1, json.loads(variables["spec"])
        return {"upsertView": {"view": view_node(view), "inserted": inserted}}


def page_of(nodes: dict[str, Data], more: bool = False) -> Data:
    """Nodes by their cursors, and whether the server holds more."""
    edges = [{"node": node, "cursor": cursor} for cursor, node in nodes.items()]
    return {"edges": edges, "pageInfo": {"endCursor": next(reversed(nodes), None), "hasNextPage": more}}


def view_node(view: Data) -> Data:
    project = {"id": "1", "name": view["project"], "entityName": view["entity"]}
    stamps = dict.fromkeys(("createdAt", "updatedAt"), "2026-01-01T00:00:00")
    return {**view, **stamps, "spec": json.dumps(view["spec"]), "project": project, "user": None}


def projects(world: World, variables: Data) -> Data:
    found = [project for project in world.projects.values() if project.entity == variables["entity"]]
    node = {"id": "1", "createdAt": "2026-01-01T00:00:00Z", "isBenchmark": False, "user": None}
    return {"models": page_of({each.name: {**node, "name": each.name, "entityName": each.entity} for each in found})}


def runs(world: World, variables: Data) -> Data:
    if json.loads(variables["filters"]) or variables["order"] != "+created_at":
        raise RefusedError("only all runs, oldest first")
    project = world.find_project(variables["entity"], variables["project"])
    if project is None:
        return {"project": None}
    found, start = list(project.runs.values()), int(variables["cursor"] or 0)
    end = start + variables["perPage"]
    nodes = {str(start + number): run_node(run) for number, run in enumerate(found[start:end], start=1)}
    page = page_of(nodes, more=end < len(found))
    return {"project": {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": page}}


def run_node(run: Run) -> Data:
    node = {"id": run.id, "projectId": "1", "name": run.name, "displayName": run.display_name, "state": run.state}
    node |= {"config": json.dumps(run.raw_config), "summaryMetrics": json.dumps(run.summary), "systemMetrics": "{}"}
    node |= {"tags": run.tags, "group": run.group, "notes": run.notes, "sweepName": run.sweep, "readOnly": False}
    node |= dict.fromkeys(("jobType", "commit", "description", "heartbeatAt"))
    node |= {"createdAt": "2026-01-01T00:00:00Z", "user": {"name": ENTITY, "username": ENTITY}}
    return {**node, "historyLineCount": len(run.lines("wandb-history.jsonl")), "historyKeys": None}


def run_files(world: World, variables: Data) -> Data:
    run = run_of(world, variables)
    names = [name for name in variables["fileNames"] or run.uploads if name in run.uploads]
    files = page_of({name: file_node(world, run, name) for name in names})
    return {"project": {"internalId": "1", "run": {"fileCount": len(names), "files": files}}}


def file_node(world: World, run: Run, name: str) -> Data:
    url = f"{world.url}/upload/{run.project.entity}/{run.project.name}/{run.name}/{name}"
    node = {"id": f"{run.id}/{name}", "name": name, "url": url, "directUrl": url, "mimetype": None, "md5": None}
    return {**node, "sizeBytes": len(run.uploads[name]), "updatedAt": "2026-01-01T00:00:00"}


def run_of(world: World, variables: Data) -> Run:
    project: Project | None = world.find_project(variables["entity"], variables["project"])
    name: Any = variables.get("name") or variables.get("runName") or variables.get("run")
    if project is None or name not in project.runs:
        raise RefusedError(f"no run {name}")
    return project.runs[name]
