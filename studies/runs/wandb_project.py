"""What a W&B project holds, read with W&B's public API. Every trouble with W&B becomes one message."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import wandb
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from records.errors import UserError
from records.exported import KEY

# W&B's client would try for days; whoever waits for a report wants to hear of it.
PATIENCE = {
    "x_graphql_timeout_seconds": 20,
    "x_graphql_retry_max": 3,
    "x_graphql_retry_wait_min_seconds": 0.5,
    "x_graphql_retry_wait_max_seconds": 4,
}
TIMEOUT = 60
"""Seconds that one request may take with all its retries."""


@dataclass(frozen=True)
class LoggedRun:
    """A run as W&B holds it.

    Attributes:
        id: the last part of its address.
        name: as shown there.
        url: its page.
        state: W&B's word, such as finished, running or crashed.
        config: its configuration.
        history: every entry of its history; empty for a run that this program did not log.
    """

    id: str
    name: str
    url: str
    state: str
    config: dict[str, Any]
    history: list[dict[str, Any]] = field(repr=False)


def read_runs(project: str) -> list[LoggedRun]:
    """Every run of `project` (ENTITY/PROJECT), oldest first, with its whole history (not W&B's sample of it).

    Raises:
        UserError: if W&B cannot be reached, knows no such project, or refuses the account.
    """
    with one_message(project):
        return [_read(run) for run in connect().runs(project, lazy=False)]


def configurations(project: str) -> list[dict[str, Any]]:
    """The configuration of every run of `project`, without the histories. Raises UserError as `read_runs` does."""
    with one_message(project):
        return [dict(run.config) for run in connect().runs(project, lazy=False)]


def _read(run: Any) -> LoggedRun:
    # W&B's cache of histories goes by the run's name alone and would show an unfinished run as it once was.
    history = list(run.scan_history(use_cache=False)) if KEY in run.config else []
    return LoggedRun(run.id, run.name or run.id, run.url, run.state, dict(run.config), history)


def connect() -> wandb.Api:
    """The API with the account that W&B's settings name.

    Raises:
        UserError: if they name none; nobody is asked for a key.
    """
    settings = wandb.setup(settings=wandb.Settings(silent=True, **PATIENCE)).settings
    # Under WANDB_MODE=offline, which is about logging, login() says no whatever the account; the API itself complains.
    if settings.mode == "online" and not wandb.login(prompt=False, verify=False):
        raise UserError("W&B needs an account: say `wandb login`, or set WANDB_API_KEY")
    return wandb.Api(timeout=TIMEOUT)


@contextlib.contextmanager
def one_message(project: str) -> Iterator[None]:
    """Turns the exceptions of W&B's client into a UserError that names the project and the server."""
    try:
        yield
    except (wandb.Error, WandbApiFailedError, ValueError) as error:
        server = wandb.setup().settings.base_url
        # What a request was told while it was tried again comes in further lines.
        reason = str(error).partition("\n")[0].removeprefix(f"Failed to verify credentials with {server}: ")
        raise UserError(
            f"W&B project {project} on {server}: {reason}. Check the name, the account (`wandb login --relogin`) and "
            "the connection"
        ) from error
