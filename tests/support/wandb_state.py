"""What the loopback W&B server knows: projects, sweeps, agents and runs, and how each changes.

Sweeps behave as the hosted service documents them (grid, requeueing of preempted runs), runs as the client's requests
need it. What takes minutes there happens here at once: a run that its agent no longer reports, and that never said how
it ended, has crashed (there five minutes after its last sign of life). An agent without work is told to leave once no
run of its sweep can come back.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

ENTITY = "lab"
"""The entity of everyone who has the key."""

PENDING, RUNNING = "pending", "running"
FINISHED, FAILED, CRASHED, PREEMPTED = "finished", "failed", "crashed", "preempted"


@dataclass
class Run:
    """One run.

    Attributes:
        name: its id, as the client calls it.
        config: name to value, without W&B's own `_wandb`.
        summary: as last sent.
        files: stream file to its lines by line number; a chunk sent again replaces its lines.
        uploads: file name to content.
        sessions: processes that began to log it; an offline file that is synced counts as one.
        state: one of the constants of this module.
    """

    project: "Project"
    name: str
    display_name: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    sweep: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    raw_config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[int, str]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    state: str = PENDING
    exit_code: int | None = None
    preempting: bool = False
    sessions: int = 0

    @property
    def id(self) -> str:
        return f"run:{self.project.entity}/{self.project.name}/{self.name}"

    @property
    def alive(self) -> bool:
        return self.state in (PENDING, RUNNING)

    def lines(self, file: str) -> list[str]:
        """The lines of a stream file in order. Raises AssertionError if the client left a gap."""
        found = self.files.get(file, {})
        assert sorted(found) == list(range(len(found))), f"{self.name}: {file} has gaps: {sorted(found)}"
        return [found[number] for number in sorted(found)]

    def history(self) -> list[dict[str, Any]]:
        """Every line that was logged, as a curve is drawn from it."""
        return [json.loads(line) for line in self.lines("wandb-history.jsonl")]

    def set_config(self, raw: dict[str, Any]) -> None:
        self.raw_config = raw
        self.config = {key: entry["value"] for key, entry in raw.items() if key != "_wandb"}

    def begin(self) -> None:
        """A process begins to log it, or to log on."""
        self.sessions += 1
        self.state, self.exit_code, self.preempting = RUNNING, None, False

    def receive(self, chunk: dict[str, Any]) -> None:
        """Takes one request of the file stream, and with the last one how the run ended."""
        for file, part in (chunk.get("files") or {}).items():
            stored = self.files.setdefault(file, {})
            stored.update(enumerate(part["content"], start=part.get("offset", 0)))
            if file == "wandb-summary.json":
                self.summary = json.loads(part["content"][-1])
        self.preempting = self.preempting or bool(chunk.get("preempting"))
        if chunk.get("complete"):
            self.exit_code = chunk.get("exitcode")
            self.end(FINISHED if self.exit_code == 0 else FAILED)

    def end(self, state: str) -> None:
        self.state = PREEMPTED if self.preempting and state != FINISHED else state
        if self.state == PREEMPTED and self.sweep is not None:
            self.project.sweeps[self.sweep].requeued.append(self)


@dataclass
class Agent:
    """A `wandb agent`, and the run that it was last given."""

    id: str
    sweep: "Sweep"
    run: Run | None = None


@dataclass
class Sweep:
    """A sweep of method grid.

    Attributes:
        points: those not handed out yet.
        requeued: preempted runs, handed out before new points.
        commands: (agent, type of command, run) in the order they were given.
    """

    project: "Project"
    name: str
    config_yaml: str
    state: str = "RUNNING"
    requeued: list[Run] = field(default_factory=list)
    commands: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = yaml.safe_load(self.config_yaml)
        self.points = grid(self.config["parameters"])

    @property
    def runs(self) -> list[Run]:
        return [run for run in self.project.runs.values() if run.sweep == self.name]

    def next_commands(self, agent: Agent, running: set[str]) -> list[dict[str, Any]]:
        """What an agent is to do that reports the runs `running`."""
        if agent.run is not None and agent.run.name not in running:
            if agent.run.alive:
                agent.run.end(CRASHED)  # its process is gone, and it never said how it ended
            agent.run = None
        if agent.run is not None:
            return []
        if self.requeued:
            return [self._give(agent, "resume", self.requeued.pop(0))]
        point = next(self.points, None)
        if point is not None:
            run = self.project.new_run(f"{self.name}p{len(self.runs)}")
            run.sweep = self.name
            run.set_config({name: {"value": value} for name, value in point.items()})
            return [self._give(agent, "run", run)]
        if any(run.alive for run in self.runs):
            return []  # one of them may yet be preempted
        self.state = "FINISHED"
        return [{"type": "exit"}]

    def _give(self, agent: Agent, kind: str, run: Run) -> dict[str, Any]:
        agent.run, run.state = run, PENDING
        self.commands.append((agent.id, kind, run.name))
        arguments = {name: {"value": run.config[name]} for name in self.config["parameters"]}
        return {"type": kind, "run_id": run.name, "program": self.config["program"], "args": arguments}


def grid(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The points of a grid in the order of W&B's own `sweeps` package: names sorted, the last varying fastest."""
    names = sorted(parameters)
    values = [parameters[name].get("values") or [parameters[name]["value"]] for name in names]
    return (dict(zip(names, point, strict=True)) for point in itertools.product(*values))


@dataclass
class Project:
    entity: str
    name: str
    runs: dict[str, Run] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"project:{self.entity}/{self.name}"

    def new_run(self, name: str) -> Run:
        return self.runs.setdefault(name, Run(self, name))


class World:
    """Everything; the server calls it under one lock.

    Args:
        url: of the server, for addresses in answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.projects: dict[tuple[str, str], Project] = {}
        self.agents: dict[str, Agent] = {}

    def project(self, entity: str | None, name: str | None) -> Project:
        """The project, made if there is none."""
        key = (entity or ENTITY, name or "uncategorized")
        return self.projects.setdefault(key, Project(*key))

    def find_project(self, entity: str | None, name: str | None) -> Project | None:
        return self.projects.get((entity or ENTITY, name or "uncategorized"))

    def run_of_id(self, identity: str) -> Run:
        """Raises KeyError if there is none."""
        return {run.id: run for project in self.projects.values() for run in project.runs.values()}[identity]

    def new_sweep(self, project: Project, config_yaml: str) -> Sweep:
        name = f"sweep{sum(len(project.sweeps) for project in self.projects.values())}"
        return project.sweeps.setdefault(name, Sweep(project, name, config_yaml))

    def new_agent(self, sweep: Sweep) -> Agent:
        identity = f"agent{len(self.agents)}"
        return self.agents.setdefault(identity, Agent(identity, sweep))
