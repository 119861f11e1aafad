"""Export: a version of the registry into MLflow, as a run with its settings, metrics and files, once."""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tenor.errors import ConfigError, ServiceError, TenorError, one_line
from tenor.inference.predictor import read_recipe
from tenor.registry import Registry
from tenor.registry.manifest import MANIFEST, key_of
from tenor.registry.registry import Version
from tenor.storage.files import flat

VERSION = "tenor.version"
"""The tag by which an exported version is recognised."""
FILES, MODEL = "version", "model"
"""Folders of the run: the version's files unchanged, and the same version as a model in MLflow's own format."""
MOST = 100
"""The most settings or metrics that MLflow accepts at once."""
LONGEST = 500
"""The most characters of a setting."""


@dataclass(frozen=True)
class Exported:
    """Where a version is in MLflow.

    Attributes
    ----------
    version
        Twelve hex digits.
    run
        The id of its run.
    experiment
        The name of the run's experiment.
    address
        Address of the tracking server or folder, without password.
    model
        The argument for ``mlflow.pyfunc.load_model``; None for a version that needs more than bars.
    new
        False if the version was there already and nothing was written.
    """

    version: str
    run: str
    experiment: str
    address: str
    model: str | None
    new: bool


def export_to_mlflow(registry: Registry, name: str | None, *, uri: str, experiment: str = "tenor") -> Exported:
    """Write a version into MLflow: a run with its settings as parameters, its validation as metrics, and its files.

    If a finished run of the experiment already has the version, nothing is written. An export that was interrupted is
    continued in its own run.

    Parameters
    ----------
    registry
        Where the version is.
    name
        The version, or ``champion`` (also None), ``previous``, ``latest``.
    uri
        A tracking server (``http://…``), a folder, or a database (``sqlite:///mlflow.db``, with the whole of MLflow).
    experiment
        Name of the experiment; it is created if it does not exist.

    Raises
    ------
    ModelError
        There is no such version, or a file of it is damaged.
    ConfigError
        MLflow is not installed, or can't use `uri` or `experiment`.
    ServiceError
        The server does not answer, or refuses.
    """
    version = registry.open(name)
    card = version.card()
    files = {**version.read(*version.files), MANIFEST: registry.objects.get(key_of(version.name, MANIFEST)).data}
    address = _address(uri)
    client = _client(uri, address)
    with _reported(address):
        place = _experiment(client, experiment)
        query = f"tags.`{VERSION}` = '{version.name}'"
        runs = client.search_runs([place], query, max_results=50)
        done = next((run for run in runs if run.info.status == "FINISHED"), None)
        if done is not None:
            return _exported(version, done.info.run_id, experiment, address, new=False)
        tags = {VERSION: version.name, "tenor.fingerprint": version.fingerprint, "tenor.release": version.tenor}
        run = runs[0] if runs else client.create_run(place, run_name=f"tenor {version.name}", tags=tags)
        number = run.info.run_id
        try:
            _log(client, number, card)
            with tempfile.TemporaryDirectory(prefix="tenor-mlflow-") as made:
                _write(Path(made), version, files)
                client.log_artifacts(number, made)
        except BaseException:
            client.set_terminated(number, "FAILED")
            raise
        client.set_terminated(number, "FINISHED")
        return _exported(version, number, experiment, address, new=True)


def _client(uri: str, address: str) -> Any:
    # without this, MLflow retries for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # a program may read it
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "mlflow":
            raise
        raise ConfigError("MLflow is not installed: pip install 'tenor[mlflow]'.") from None
    scheme = urlsplit(uri).scheme
    if scheme in ("", "file"):
        # newer versions of MLflow require this confirmation for a folder
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        uri = uri if scheme else Path(uri).absolute().as_uri()
    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri if scheme.startswith("http") else None)
    except Exception as error:  # noqa: BLE001 - its own, and those of what it is built on
        raise _refused(address, error) from None


def _experiment(client: Any, name: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is None:
        return str(client.create_experiment(name))
    if known.lifecycle_stage != "active":
        raise ConfigError(f"the experiment {name!r} was deleted in MLflow: restore it there, or name another.")
    return str(known.experiment_id)


def _log(client: Any, run: str, card: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric, Param

    settings = {**flat(card.get("settings", {})), **flat({"split": card.get("split", {})})}
    settings |= {"symbols": len(card.get("symbols", ())), "features": len(card.get("features", ()))}
    parameters = [Param(key, str(value)[:LONGEST]) for key, value in settings.items()]
    numbers = flat({"validation": card.get("validation", {})})
    metrics = [
        Metric(key, float(value), 0, 0)
        for key, value in numbers.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]
    for first in range(0, max(len(parameters), len(metrics)), MOST):
        client.log_batch(run, metrics[first : first + MOST], parameters[first : first + MOST])


def _write(folder: Path, version: Version, files: Mapping[str, bytes]) -> None:
    """The version's files, and what `mlflow.pyfunc` loads, in `folder`."""
    for name, data in files.items():
        place = folder / FILES / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    if not _bars_suffice(version):
        return
    with tempfile.TemporaryDirectory(prefix="tenor-mlflow-") as registry, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of type hints, by which it would validate what `Bars` does better
        from mlflow.pyfunc import save_model

        for name, data in files.items():
            place = Path(registry, key_of(version.name, name))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        save_model(
            folder / MODEL,
            python_model=str(Path(__file__).with_name("mlflow_model.py")),  # as code: nothing is pickled
            artifacts={"registry": registry},
            pip_requirements=[f"tenor=={version.tenor}"],
        )


def _bars_suffice(version: Version) -> bool:
    return not read_recipe(version).with_sentiment


def _exported(version: Version, run: str, experiment: str, address: str, *, new: bool) -> Exported:
    model = f"runs:/{run}/{MODEL}" if _bars_suffice(version) else None
    return Exported(version.name, run, experiment, address, model, new)


@contextmanager
def _reported(address: str) -> Iterator[None]:
    """What MLflow and what it is built on raise, as one line."""
    try:
        yield
    except (TenorError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise _refused(address, error) from None


def _refused(address: str, error: Exception) -> TenorError:
    text = one_line(error, 300)
    if isinstance(error, ModuleNotFoundError):
        return ConfigError(f"MLflow needs {error.name} for {address}: pip install mlflow, or name a server or folder.")
    if "Unsupported" in type(error).__name__ or "unsupported URI" in text:
        return ConfigError(f"this MLflow can't use {address!r}: name a server, a folder, or pip install mlflow.")
    away = "Max retries exceeded" in text or "failed with exception" in text
    if away:
        return ServiceError(f"MLflow at {address} does not answer: start it, or name another with --tracking-uri.")
    return ServiceError(f"MLflow at {address} refuses: {text.rstrip('.')}. Look into its log, and export again.")


def _address(uri: str) -> str:
    """`uri` for people: without user and password."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="").geturl() if parts.netloc else uri
