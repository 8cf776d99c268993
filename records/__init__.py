"""The format of a run folder: what training writes and every study reads."""

from records.atomic import write_text
from records.rows import read_rows, write_rows
from records.run_folder import RunFolder, RunFolderError, RunRecord, find_runs
from records.summary import best, epochs_to, last_average, summarise

__all__ = [
    "RunFolder",
    "RunFolderError",
    "RunRecord",
    "best",
    "epochs_to",
    "find_runs",
    "last_average",
    "read_rows",
    "summarise",
    "write_rows",
    "write_text",
]
