from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tenor.cli import main
from tenor.errors import ConfigError, DataError, HistoryError, ModelError
from tenor.pipeline.topics import fit, rename, sample, show
from tenor.pipeline.upload import upload
from tenor.schema import News, news_id
from tenor.store import Lake
from tenor.workspace import Workspace

FIRMS = ("Acme", "Globex", "Initech", "Umbra", "Vandel", "Soylent", "Hooli", "Tyrell", "Wayland", "Cyberd", "Oscorp")
PLAIN = (
    "{} raises its quarterly dividend and buys back shares",
    "{} lifts the dividend for shareholders again",
    "Judge lets the antitrust lawsuit against {} go ahead",
    "{} sued over patents, court to hear the lawsuit",
)


def news_of(lines: tuple[str, ...] = PLAIN, *, symbol: str = "", day: str = "2024-03-05") -> News:
    items = [(symbol or firm[:3].upper(), line.format(firm)) for line in lines for firm in FIRMS]
    frame = pd.DataFrame(items, columns=["symbol", "text"])
    ids = [news_id("desk", text) for text in frame["text"]]
    when = pd.Timestamp(day, tz="UTC") + pd.to_timedelta(range(len(frame)), unit="h")
    return News(frame.assign(id=ids, published_at=when, source="desk", url=""))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two plain topics in March and April, fitted on March."""
    store = tmp_path_factory.mktemp("topics") / "lake"
    lake = Lake(store)
    lake.append_news(news_of())
    lake.append_news(news_of(PLAIN[2:], day="2024-04-01"))
    lake.append_rows("names", pd.DataFrame({"symbol": ["ACM"], "name": ["Dividend Acme Inc."], "source": ["desk"]}))
    result = fit(str(store), k=2, until="2024-03-20")
    assert result.model.settings["items"] == 44
    return store


def test_topics_are_named_by_words_of_the_items_but_not_of_the_companies(fitted: Path) -> None:
    model = Workspace(str(fitted)).topics.current()
    words = [set(topic.words) for topic in model.topics]
    assert any("lawsuit" in of_topic for of_topic in words)
    assert any("shareholders" in of_topic for of_topic in words)
    assert not any("dividend" in of_topic for of_topic in words)


def test_shares_are_those_of_the_items(fitted: Path) -> None:
    shown = show(str(fitted), examples=2)
    law = next(n for n, topic in enumerate(shown.model.topics) if "lawsuit" in topic.words)
    assert (shown.items, shown.unread, shown.counts.sum()) == (66, 0, 66)
    assert shown.share(law) == pytest.approx(44 / 66, abs=0.05)
    by_day = shown.shares(law, by="day")
    assert list(by_day) == sorted(by_day)
    assert by_day["2024-04-01"] == 1
    assert by_day["2024-03-05"] < 0.2
    assert set(shown.shares(law, by="symbol")) == {firm[:3].upper() for firm in FIRMS}
    examples = [example["text"] for example in shown.examples[law]]
    assert len(examples) == len(set(examples)) == 2
    assert all("lawsuit" in text for text in examples)
    assert json.loads(json.dumps(shown.to_json(law)))["topics"][0]["n"] == shown.counts[law]


def test_what_is_published_later_changes_no_bit(fitted: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append_news(news_of())
    lake.append_rows("names", pd.DataFrame({"symbol": ["ACM"], "name": ["Dividend Acme Inc."], "source": ["desk"]}))
    lake.append_news(news_of(("{} recalls cars, brakes fail", "{} opens a plant"), day="2024-03-20"))
    again = fit(str(tmp_path / "lake"), k=2, until="2024-03-20").model
    assert again.directions.tobytes() == Workspace(str(fitted)).topics.current().directions.tobytes()


def test_a_name_given_stays_at_a_refit_and_goes_along_with_an_upload(fitted: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "copy")
    upload(str(fitted), store)
    rename(store, "1", "mine")
    refitted = fit(store, k=2, until="2024-03-20", seed=3)
    assert refitted.model.names[1] == "mine"
    assert rename(store, "mine", "").names == Workspace(str(fitted)).topics.current().names


def test_a_lake_without_news_or_with_too_little_says_so(tmp_path: Path) -> None:
    store = str(tmp_path / "lake")
    with pytest.raises(DataError, match="has no news: bring some"):
        fit(store)
    lake = Lake(store)
    lake.append_news(news_of())
    with pytest.raises(DataError, match=r"no news published before 2024-01-01 00:00 UTC.*later --until"):
        fit(store, until="2024-01-01")
    with pytest.raises(HistoryError, match="fit 4 topics at most"):
        fit(store, k=30)
    with pytest.raises(ModelError, match="no topics yet"):
        show(store)


@pytest.mark.parametrize("until", ["yesterday-ish", "2024-13-01", "", "NaT"])
def test_a_date_that_is_none_is_refused(until: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--until is"):
        fit(str(tmp_path), until=until)


def test_news_in_another_language_alone_is_refused(tmp_path: Path) -> None:
    lines = (
        "{} erhöht die Dividende für seine Aktionäre in diesem Jahr deutlich",
        "Gericht weist die Klage gegen {} ab",
    )
    Lake(tmp_path / "lake").append_news(news_of(lines))
    with pytest.raises(HistoryError, match="none of 22 distinct items looks English"):
        fit(str(tmp_path / "lake"), k=2)


def test_one_symbol_with_everything_is_noted(tmp_path: Path) -> None:
    Lake(tmp_path / "lake").append_news(news_of(symbol="ACM"))
    notes = fit(str(tmp_path / "lake"), k=2).notes
    assert any("100% of all items are about ACM" in note for note in notes)
    assert any("--until" in note for note in notes)


def test_damaged_topics_are_replaced_by_a_fit(fitted: Path, tmp_path: Path) -> None:
    store = tmp_path / "copy"
    upload(str(fitted), str(store))
    (store / "topics" / "current.json").write_text("{}")
    with pytest.raises(ModelError, match="damaged"):
        show(str(store))
    assert any("damaged" in note for note in fit(str(store), k=2).notes)
    assert show(str(store)).items == 66


def test_topics_of_another_encoder_are_refused(fitted: Path, tmp_path: Path) -> None:
    store = tmp_path / "copy"
    upload(str(fitted), str(store))
    workspace = Workspace(str(store))
    model = workspace.topics.current()
    object.__setattr__(model, "encoder", "another-model")
    workspace.topics.save(model)
    with pytest.raises(ModelError, match=r"another-model.*'tenor topics fit'"):
        show(str(store))


def test_a_sample_does_not_depend_on_order_or_repeats() -> None:
    texts = [f"item {i}" for i in range(1000)]
    chosen, seen = sample(iter([texts]), 50)
    again, _ = sample(iter([[text] * 3 for text in reversed(texts)]), 50)
    assert (len(chosen), seen) == (50, 1000)
    assert again == chosen
    assert sample(iter([texts[:7]]), 50)[0] == sample(iter([texts[6::-1]]), 50)[0]


def test_the_commands_answer_in_text_and_json(fitted: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = str(tmp_path / "copy")
    upload(str(fitted), store)

    def run(*words: str) -> str:
        assert main([*words, "--store", store]) == 0
        return capsys.readouterr().out

    fresh = json.loads(run("topics", "fit", "--k", "2", "--until", "2024-03-20", "--json"))
    assert [topic["number"] for topic in fresh["topics"]] == [0, 1]
    assert "2 topics of 44 distinct items" in run("topics", "fit", "--k", "2", "--until", "2024-03-20")
    assert json.loads(run("topics", "name", "0", "first", "--json"))["name"] == "first"
    assert "first" in run("topics", "show")
    one = run("topics", "show", "first")
    assert "2024-03" in one
    assert "symbol" in one
    assert json.loads(run("topics", "show", "first", "--json"))["topics"][0]["given"] == "first"
    assert main(["topics", "show", "firsd", "--store", store]) == 2
    assert capsys.readouterr().err == "tenor: no topic is called 'firsd'. Did you mean 'first'?\n"


def test_a_store_that_can_not_be_written_keeps_its_topics(fitted: Path, tmp_path: Path) -> None:
    store = tmp_path / "copy"
    upload(str(fitted), str(store))
    before = (store / "topics" / "current.json").read_bytes()
    # a file where the folder of versions should be: not even root can write below it
    for path in (store / "topics" / "versions").iterdir():
        path.unlink()
    (store / "topics" / "versions").rmdir()
    (store / "topics" / "versions").write_text("")
    assert main(["topics", "fit", "--k", "2", "--store", str(store)]) == 1
    assert (store / "topics" / "current.json").read_bytes() == before


def test_an_earlier_version_is_shown_by_its_name(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace(str(fitted))
    current = workspace.topics.current()
    older = workspace.topics.save_version(replace(current, centre=current.centre + 1))
    assert main(["topics", "show", "--store", str(fitted), "--version", older.version, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == older.version
    assert main(["topics", "show", "--store", str(fitted), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == current.version
    for wrong in ("0123", "../current", ""):
        assert main(["topics", "show", "--store", str(fitted), "--version", wrong]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "version" in error
