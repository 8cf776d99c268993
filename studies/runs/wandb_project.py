"""What a W&B project holds, read with W&B's public API. Every trouble with W&B becomes one message."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from records import WANDB_PREFIX, RunFolder
from records.errors import UserError

# W&B's client would try for days; whoever waits for a report wants to hear of it.
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
        id: the last part of its address.
        name: as shown there.
        url: its page.
        state: W&B's word, such as finished, running or crashed.
        ours: whether this program logged it.
        epochs: how many its curves hold; None if W&B's summary does not say.
        folder: where its files were downloaded to; those that the run did not save are not there.
    """

    id: str
    name: str
    url: str
    state: str
    ours: bool
    epochs: int | None
    folder: RunFolder


def read_runs(project: str, downloads: Path) -> list[LoggedRun]:
    """Every run of `project` (ENTITY/PROJECT), oldest first, with its files in a folder of its own in `downloads`.

    Raises UserError if W&B cannot be reached, knows no such project, or refuses the account.
    """
    with one_message(project):
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
        # The names in the answer are the server's; only what was asked for is written.
        if file.name in names:
            file.download(root=str(folder.path), replace=True).close()
            (folder.path / file.name).rename(names[file.name])


def connect() -> wandb.Api:
    """The API with the account that W&B's settings name.

    Raises UserError if they name none; nobody is asked for a key.
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
