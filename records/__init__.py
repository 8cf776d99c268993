"""The format of a run folder: what training writes and every study reads."""

from records.atomic import write_text
from records.configuration import deciding, differences, settings_digest
from records.rows import read_rows, write_rows
from records.run_folder import WANDB_PREFIX, RunFolder, RunFolderError, RunRecord, find_runs
from records.summary import best, epochs_to, last_average, summarise

__all__ = [
    "WANDB_PREFIX",
    "RunFolder",
    "RunFolderError",
    "RunRecord",
    "best",
    "deciding",
    "differences",
    "epochs_to",
    "find_runs",
    "last_average",
    "read_rows",
    "settings_digest",
    "summarise",
    "write_rows",
    "write_text",
]
