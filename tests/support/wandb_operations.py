"""The GraphQL operations that `wandb sweep`, `wandb agent`, `wandb sync` and a logging run ask for (wandb 0.31).

Each takes the world and the request's variables and returns the response's `data`. A response holds at least what the
query selects; the client passes over the rest.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.support.wandb_state import ENTITY, Project, Run, World

Data = dict[str, Any]
Handler = Callable[[World, Data], Data]


class RefusedError(Exception):
    """Answered to the client as a GraphQL error."""


def viewer(world: World, variables: Data) -> Data:
    me = {"id": "user:1", "entity": ENTITY, "username": ENTITY, "email": None, "flags": "{}", "admin": False}
    return {"viewer": {**me, "name": ENTITY, "teams": {"edges": []}}}


def upsert_sweep(world: World, variables: Data) -> Data:
    if variables.get("id"):
        raise RefusedError("changing a sweep")
    project = world.project(variables.get("entityName"), variables.get("projectName"))
    sweep = world.new_sweep(project, variables["config"])
    return {
        "upsertSweep": {"sweep": {"name": sweep.name, "project": project_node(project)}, "configValidationWarnings": []}
    }


def sweep_with_runs(world: World, variables: Data) -> Data:
    project = world.find_project(variables["entity"], variables["project"])
    sweep = project and project.sweeps.get(variables["sweep"])
    if not sweep:
        return {"project": None}
    edges = [{"node": {"name": run.name, "state": run.state, "exitcode": run.exit_code}} for run in sweep.runs]
    node = {"id": sweep.name, "name": sweep.name, "state": sweep.state, "config": sweep.config_yaml}
    return {"project": {"sweep": {**node, "method": sweep.config["method"], "runs": {"edges": edges}}}}


def create_agent(world: World, variables: Data) -> Data:
    project = world.find_project(variables["entityName"], variables["projectName"])
    if project is None or variables["sweep"] not in project.sweeps:
        raise RefusedError(f"no sweep {variables['sweep']}")
    return {"createAgent": {"agent": {"id": world.new_agent(project.sweeps[variables["sweep"]]).id}}}


def heartbeat(world: World, variables: Data) -> Data:
    agent = world.agents[variables["id"]]
    running = {name for name, runs in json.loads(variables["runState"]).items() if runs}
    commands = agent.sweep.next_commands(agent, running)
    return {"agentHeartbeat": {"agent": {"id": agent.id}, "commands": json.dumps(commands)}}


def resume_status(world: World, variables: Data) -> Data:
    project = world.project(variables["entity"], variables["project"])
    run = project.runs.get(variables["name"])
    # A point that was only handed out has nothing to continue.
    begun = run is not None and run.sessions > 0
    return {"model": {**project_node(project), "bucket": resume_node(run) if begun else None}}


def resume_node(run: Run) -> Data:
    return {
        "id": run.id,
        "name": run.name,
        "displayName": run.display_name,
        "summaryMetrics": json.dumps(run.summary),
        "config": json.dumps(run.raw_config),
        "historyLineCount": len(run.lines("wandb-history.jsonl")),
        "eventsLineCount": len(run.lines("wandb-events.jsonl")),
        "logLineCount": len(run.lines("output.log")),
        "historyTail": json.dumps(run.lines("wandb-history.jsonl")[-1:]),
        "eventsTail": json.dumps(run.lines("wandb-events.jsonl")[-1:]),
        "tags": run.tags,
        "notes": run.notes,
        "wandbConfig": json.dumps({"t": run.raw_config.get("_wandb", {}).get("value", {}).get("t", {})}),
    }


def upsert_bucket(world: World, variables: Data) -> Data:
    if variables.get("id"):
        run = world.run_of_id(variables["id"])
    else:
        run = world.project(variables["entity"], variables["project"]).new_run(variables["name"])
    inserted = run.sessions == 0
    if variables.get("host") is not None:  # a process introduces itself; later changes come without
        run.begin()
    for field, name in FIELDS.items():
        if variables.get(name) is not None:
            setattr(run, field, variables[name])
    if variables.get("config") is not None:
        run.set_config(json.loads(variables["config"]))
    return {"upsertBucket": {"bucket": bucket_node(run), "inserted": inserted}}


FIELDS = {"display_name": "displayName", "group": "groupName", "tags": "tags", "notes": "notes", "sweep": "sweep"}


def bucket_node(run: Run) -> Data:
    node = {"id": run.id, "name": run.name, "displayName": run.display_name, "description": None}
    node |= {"config": json.dumps(run.raw_config), "sweepName": run.sweep, "project": project_node(run.project)}
    return {**node, "historyLineCount": len(run.lines("wandb-history.jsonl"))}


def create_run_files(world: World, variables: Data) -> Data:
    run = world.project(variables["entity"], variables["project"]).runs[variables["run"]]
    path = f"{world.url}/upload/{run.project.entity}/{run.project.name}/{run.name}"
    files = [{"name": name, "uploadUrl": f"{path}/{name}"} for name in variables["files"]]
    return {"createRunFiles": {"runID": run.id, "uploadHeaders": [], "files": files}}


def project_node(project: Project) -> Data:
    entity = {"id": f"entity:{project.entity}", "name": project.entity}
    return {"id": project.id, "name": project.name, "entity": entity}


OPERATIONS: dict[str, Handler] = {
    "Viewer": viewer,
    "ServerFeaturesQuery": lambda *_: {"serverInfo": {"features": []}},
    "OrganizationCoreWeaveOrganizationID": lambda *_: {"entity": {"organization": None}},
    "UpsertSweep": upsert_sweep,
    "SweepWithRuns": sweep_with_runs,
    "CreateAgent": create_agent,
    "Heartbeat": heartbeat,
    "RunResumeStatus": resume_status,
    "UpsertBucket": upsert_bucket,
    "CreateRunFiles": create_run_files,
}
