"""A fitted model is saved, loaded, drawn and shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest

import tenor
from tenor.cli import main
from tenor.errors import ModelError, StoreError
from tenor.notebook.model import FittedModel
from tenor.schema import Bars
from tenor.storage.object_store import open_store

mpl.use("Agg")


def test_what_is_saved_and_loaded_forecasts_the_same_to_the_bit(model: FittedModel, tmp_path: Path) -> None:
    assert model.save(tmp_path) == model.version
    loaded = tenor.load(tmp_path)
    assert loaded.predict().equals(model.predict())
    assert loaded.version == model.version
    assert loaded.bars.frame.equals(model.bars.frame)


@pytest.mark.s3
def test_a_bucket_holds_it_as_a_folder_does(model: FittedModel, s3_environment: str) -> None:
    place = "s3://notebook-check/model"
    open_store(place).put("first", b"")  # a bucket is there before anything goes into it
    model.save(place)
    assert tenor.load(place).predict().equals(model.predict())


def test_the_commands_work_on_what_was_saved(model: FittedModel, tmp_path: Path, capsys: Any) -> None:
    model.save(tmp_path)
    symbol = model.symbols[0]
    assert main(["predict", symbol, "--store", str(tmp_path), "--horizon", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    row = model.predict(symbol, horizons=5).iloc[0]
    assert printed["price"] == row["price"]
    assert printed["quantiles"]["0.05"] == row["q05"]


def test_a_model_without_bars_is_handed_them(model: FittedModel, frame: pd.DataFrame, tmp_path: Path) -> None:
    model.save(tmp_path, bars=False)
    loaded = tenor.load(tmp_path)
    assert loaded.predict(frame).equals(model.predict())
    with pytest.raises(ModelError, match="no bars of its symbols: hand them over"):
        loaded.predict()
    assert "no bars" in repr(loaded)
    assert "no bars" in loaded._repr_html_()


def test_the_model_saved_last_is_the_champion_unless_it_is_not_promoted(
    model: FittedModel, frame: pd.DataFrame, tiny: tenor.Config, tmp_path: Path
) -> None:
    model.save(tmp_path)
    other = tenor.fit(frame, config=tiny, seeds=(3,), progress=False)
    other.save(tmp_path, promote=False)
    assert tenor.load(tmp_path).version == model.version
    assert tenor.load(tmp_path, "latest").version == other.version
    other.save(tmp_path)
    assert tenor.load(tmp_path).version == other.version
    assert tenor.load(tmp_path, "previous").version == model.version


def test_places_that_hold_no_model_or_take_none_are_named(model: FittedModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no trained model under"):
        tenor.load(tmp_path / "nothing")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="is a file: name a folder"):
        model.save(tmp_path / "file")


def test_a_changed_file_is_named(model: FittedModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    graph = next(tmp_path.glob("models/versions/*/*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(ModelError, match=graph.name):
        tenor.load(tmp_path)


def test_loading_and_predicting_need_no_torch(model: FittedModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    probe = f"import sys, tenor; print(len(tenor.load({str(tmp_path)!r}).predict()), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "False"]


def test_the_fan_begins_at_the_last_close_and_holds_the_quantiles(model: FittedModel, bars: Bars) -> None:
    symbol = bars.symbols[1]
    axes = model.plot(symbol, history=30)
    row = model.predict(symbol, horizons=5).iloc[0]
    history, median = axes.get_lines()[:2]
    assert len(history.get_ydata()) == 30
    assert history.get_ydata()[-1] == row["last_price"] == median.get_ydata()[0]
    assert median.get_ydata()[-1] == row["q50"]
    widest = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (widest.min() <= row["q01"], widest.max() >= row["q99"]) == (True, True)
    assert symbol in axes.get_title(loc="left")
    assert model.plot(ax=axes) is axes


def test_it_shows_itself_in_short(model: FittedModel, bars: Bars) -> None:
    last = f"{bars.frame['session'].max():%Y-%m-%d}"
    assert repr(model) == f"FittedModel(2 symbols, horizons 1 and 5, bars up to {last})"
    assert len(model) == 2
    assert model.head(3).equals(model.predict().head(3))
    page = model._repr_html_()
    assert page.count("<tr") == 5
    assert "QLIKE" in page
