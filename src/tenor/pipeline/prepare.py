"""Prepare data for a training: files go into the lake, and become a table of features and targets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.config import Config
from tenor.errors import ConfigError, DataError, StoreError
from tenor.features.catalogue import check_groups
from tenor.ingest.importing import EMBEDDED, ImportResult, import_files
from tenor.news_scoring import ScoringProgress
from tenor.pipeline.inputs import training_inputs
from tenor.schema import Panel
from tenor.storage.files import write_whole
from tenor.workspace import Workspace

FORMATS = (".csv", ".parquet")


@dataclass(frozen=True, repr=False)
class PrepareResult:
    """Data that a training can read.

    Attributes
    ----------
    imported
        The result of the import; None if no files were given and the lake had bars already.
    panel
        Features and targets.
    output
        The file with a row for each symbol and session, if it was asked for.
    """

    imported: ImportResult | None
    panel: Panel
    output: Path | None

    def __repr__(self) -> str:
        return f"PrepareResult({self.panel!r})"

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        panel = self.panel
        return {
            "imported": None if self.imported is None else self.imported.to_json(),
            "symbols": list(panel.symbols),
            "features": list(panel.features),
            "horizons": list(panel.horizons),
            "sessions": len(panel.sessions),
            "first": panel.sessions[0].isoformat(),
            "last": panel.sessions[-1].isoformat(),
            "rows": int(panel.mask.sum()),
            "output": None if self.output is None else str(self.output),
        }


def prepare(
    store: str,
    paths: Sequence[str],
    config: Config,
    *,
    output: Path | None = None,
    progress: ScoringProgress | None = None,
) -> PrepareResult:
    """Import `paths`, score new news, and build the table of features that ``tenor train`` with `config` uses.

    Parameters
    ----------
    store
        The lake.
    paths
        Files and folders. Without any, the lake is used as it is; if it has no bars, the data that comes with tenor is
        imported.
    config
        The settings.
    output
        A file for the table, .csv or .parquet. Features are not scaled, because scaling is fitted in the training.
    progress
        Called while texts are scored.

    Raises
    ------
    ConfigError
        A setting can't be used, or the name of `output` has another ending.
    DataError
        Nothing in `paths` can be used.
    HistoryError
        The lake has too little history for the features.
    StoreError
        The lake can't be read or written, or `output` not written.
    """
    if output is not None and output.suffix.lower() not in FORMATS:
        raise ConfigError(f"{str(output)!r} can't be written: name a file that ends in {' or '.join(FORMATS)}.")
    check_groups(config.features.groups)
    workspace = Workspace(store)
    imported = None
    if paths or not workspace.lake.symbols():
        imported = import_files(store, list(paths) or [EMBEDDED])
        if not imported.usable:
            raise DataError(f"nothing in {', '.join(paths)} could be used; {len(imported.refused)} rows were refused.")
        if imported.missing:
            raise DataError(
                f"{', '.join(imported.missing)}: there is no such file or folder; the others were imported."
            )
    panel = training_inputs(workspace, config, scoring=progress).panel
    if output is not None:
        _write(panel, output)
    return PrepareResult(imported, panel, output)


def _write(panel: Panel, output: Path) -> None:
    frame, data = panel.to_frame(), io.BytesIO()
    if output.suffix.lower() == ".parquet":
        frame.to_parquet(data, index=False)
    else:
        frame.to_csv(data, index=False, lineterminator="\n")
    try:
        write_whole(output, data.getvalue())
    except OSError as error:
        raise StoreError(f"{str(output)!r} can't be written: {error.strerror or error}; name another file.") from None
