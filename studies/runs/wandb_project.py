"""Reads the runs of a W&B project with W&B's public API. Every error of W&B becomes one message."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from records import WANDB_PREFIX, RunFolder
from records.errors import UserError

# By default W&B's client retries for days, and whoever waits for a report would see no error.
PATIENCE = {
    "x_graphql_timeout_seconds": 20,
    "x_graphql_retry_max": 3,
    "x_graphql_retry_wait_min_seconds": 0.5,
    "x_graphql_retry_wait_max_seconds": 4,
}
TIMEOUT = 60
"""Seconds that one request may take with all its retries."""


OURS = ("compared_as", "digest")
"""Keys of the configuration that only runs of this program have."""


@dataclass(frozen=True)
class LoggedRun:
    """A run as W&B holds it.

    Attributes:
        id: last part of the run's address.
        name: name that W&B shows.
        url: address of the run's page.
        state: W&B's name of the state, such as finished, running or crashed.
        ours: True if this program logged the run.
        epochs: number of epochs in the run's curves; None if W&B's summary does not say.
        folder: folder of the downloaded files; without those that the run did not save.
    """

    id: str
    name: str
    url: str
    state: str
    ours: bool
    epochs: int | None
    folder: RunFolder


def read_runs(project: str, downloads: Path) -> list[LoggedRun]:
    """Reads every run of `project` (ENTITY/PROJECT), oldest first, and downloads its files to a folder in `downloads`.

    Raises UserError if W&B cannot be reached, knows no such project, or refuses the account.
    """
    with one_message(project):
        # Not lazy, which would load configuration and summary run by run.
        runs = connect().runs(project, lazy=False)
        return [_read(run, RunFolder(downloads / str(number))) for number, run in enumerate(runs)]


def configurations(project: str) -> list[dict[str, Any]]:
    """The configuration of every run of `project` that this program logged. Raises UserError as `read_runs` does."""
    with one_message(project):
        return [dict(run.config) for run in connect().runs(project, lazy=False) if _is_ours(run)]


def _is_ours(run: Any) -> bool:
    return all(key in run.config for key in OURS)


def _read(run: Any, folder: RunFolder) -> LoggedRun:
    if _is_ours(run):
        download(run, folder)
    epoch = run.summary.get("epoch")
    epochs = int(epoch) + 1 if isinstance(epoch, int | float) else None
    return LoggedRun(run.id, run.name or run.id, run.url, run.state, _is_ours(run), epochs, folder)


def download(run: Any, folder: RunFolder) -> None:
    """Downloads the files that `run` saved of its run folder into `folder`."""
    names = {f"{WANDB_PREFIX}{file.name}": file for file in folder.core_files}
    for file in run.files(names=list(names)):
        # The names in the answer come from the server; only the requested files are written.
        if file.name in names:
            # download returns an open file.
            file.download(root=str(folder.path), replace=True).close()
            (folder.path / file.name).rename(names[file.name])


def connect() -> wandb.Api:
    """Returns the API with the account that W&B's settings name.

    Raises UserError if they name none; the user is never asked for a key.
    """
    settings = wandb.setup(settings=wandb.Settings(silent=True, **PATIENCE)).settings
    # With WANDB_MODE=offline, which is about logging, login() is False for any account; the API raises its own error.
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
        # Further lines hold the answers to the retries.
        reason = str(error).partition("\n")[0].removeprefix(f"Failed to verify credentials with {server}: ")
        raise UserError(
            f"W&B project {project} on {server}: {reason}. Check the name, the account (`wandb login --relogin`) and "
            "the connection"
        ) from error
