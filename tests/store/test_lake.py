"""What holds for every lake, in a folder and in a bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from tenor.errors import ConfigError, DataError, StoreError, UnknownSymbolError
from tenor.kinds import StoredKinds
from tenor.schema import SENTIMENT_COLUMNS, AsOf, Bars, DailyKinds, DailySentiment, News, news_id
from tenor.store import Appended, Lake
from tenor.store import parts as parts_of

MakeBars = Callable[..., Bars]


@pytest.fixture(params=["folder", "bucket"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "lake")
    request.getfixturevalue("s3_environment")
    return f"s3://lake/{tmp_path.name}"


def changed(bars: Bars, row: int, **values: float) -> Bars:
    frame = bars.frame.copy()
    for column, value in values.items():
        frame.loc[row, column] = value
    return Bars(frame)


def some_news(*items: tuple[str, str, str]) -> News:
    rows = [
        {
            "id": news_id("wire", text),
            "published_at": pd.Timestamp(at, tz="UTC"),
            "symbol": symbol,
            "text": text,
            "source": "wire",
            "url": "",
        }
        for at, symbol, text in items
    ]
    return News(pd.DataFrame(rows))


def some_sentiment(mean: float, sessions: tuple[str, ...] = ("2014-01-02", "2014-01-03")) -> DailySentiment:
    frame = pd.DataFrame({"symbol": "S00", "session": pd.to_datetime(list(sessions))})
    return DailySentiment(frame.assign(**dict.fromkeys(SENTIMENT_COLUMNS[2:], 1.0)).assign(mean=mean))


def test_bars_come_back_as_they_went_in(location: str, bars: Bars) -> None:
    lake = Lake(location)
    assert lake.append_bars(bars, source="a file") == Appended(new=len(bars.frame), revised=0, unchanged=0)
    pd.testing.assert_frame_equal(lake.bars().frame, bars.frame)
    assert lake.symbols() == bars.symbols


def test_appending_again_writes_nothing(location: str, bars: Bars) -> None:
    lake = Lake(location)
    lake.append_bars(bars, source="a file")
    assert lake.append_bars(bars, source="another file") == Appended(new=0, revised=0, unchanged=len(bars.frame))
    assert lake.query("SELECT count(*) AS n, min(source) AS s FROM bars").to_dict("records") == [
        {"n": len(bars.frame), "s": "a file"}
    ]


def test_the_latest_version_counts_and_a_revert_is_a_revision(location: str, bars: Bars) -> None:
    lake = Lake(location)
    revised = changed(bars, 5, volume=1.0)
    for version in (bars, revised, bars, revised):
        lake.append_bars(version, source="x")
        assert lake.bars().fingerprint() == version.fingerprint()
    assert lake.append_bars(changed(bars, 7, close=49.5), source="x") == Appended(0, 2, len(bars.frame) - 2)


def test_selection_by_symbol_and_day(location: str, bars: Bars) -> None:
    lake = Lake(location)
    lake.append_bars(bars, source="x")
    day = pd.Timestamp("2014-06-02")
    got = lake.bars(["S03", "S01"], until=day)
    assert got.fingerprint() == bars.select(["S01", "S03"]).until(day).fingerprint()


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda lake: lake.bars(["S0O"]), UnknownSymbolError, "unknown symbol 'S0O'. Did you mean 'S0"),
        (lambda lake: lake.bars([]), StoreError, "name at least one symbol"),
        (lambda lake: lake.bars(until=pd.Timestamp("2001-01-01")), StoreError, "no bars up to 2001-01-01"),
        (lambda lake: lake.query("SELECT * FROM nothing"), StoreError, "Table with name nothing does not exist"),
        (lambda lake: lake.query("COPY bars TO 'out.csv'"), StoreError, "disabled by configuration"),
        (lambda lake: lake.query("SELECT * FROM 'README.md'"), StoreError, "the query can't be run"),
    ],
)
def test_questions_without_an_answer(tmp_path: Path, bars: Bars, ask: object, error: type, message: str) -> None:
    lake = Lake(tmp_path)
    lake.append_bars(bars, source="x")
    with pytest.raises(error, match=message.replace("(", r"\(")) as caught:
        ask(lake)  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_an_empty_lake_says_how_to_fill_it(location: str) -> None:
    lake = Lake(location)
    with pytest.raises(StoreError, match="has no bars yet: import some with 'tenor data import PATH --store"):
        lake.bars()
    with pytest.raises(StoreError, match="no bars yet"):
        lake.bars(["AAPL"])
    assert lake.symbols() == ()
    assert lake.sentiment() is None
    assert lake.news().frame.empty
    assert lake.refusals().empty
    assert lake.get_scores(["ab"], "model") == {}
    assert lake.query("SELECT * FROM bars").empty


def test_news_by_symbol_and_moment(location: str) -> None:
    lake = Lake(location)
    first = some_news(("2014-01-02 15:00", "AAA", "profit rises"), ("2014-01-02 15:00", "BBB", "profit rises"))
    assert lake.append_news(first) == Appended(2, 0, 0)
    both = some_news(("2014-01-02 15:00", "AAA", "profit rises"), ("2014-01-03 09:30", "AAA", "plant shut — 停产 🏭"))
    assert lake.append_news(both) == Appended(1, 0, 1)
    assert list(lake.news(["AAA"]).frame["text"]) == ["profit rises", "plant shut — 停产 🏭"]
    moment = pd.Timestamp("2014-01-03 04:29:59.999999", tz="America/New_York")
    assert len(lake.news(until=moment).frame) == 2
    assert len(lake.news(until=moment + pd.Timedelta(microseconds=1)).frame) == 3


def test_sentiments_of_two_models_do_not_mix(location: str) -> None:
    lake = Lake(location)
    old, new = some_sentiment(0.1), some_sentiment(0.7, ("2014-01-03",))
    lake.append_sentiment(old, source="model 1")
    lake.append_sentiment(new, source="model 2")
    for source, expected in (("model 1", old), ("model 2", new), (None, new)):
        got = lake.sentiment(source)
        assert got is not None
        assert got.fingerprint() == expected.fingerprint()
    assert lake.sentiment("model 3") is None


def test_a_text_is_scored_once_by_a_model(location: str) -> None:
    cache = Lake(location).score_cache()
    cache.put({"aa": (0.1, 0.2, 0.7), "bb": (0.5, 0.25, 0.25)}, "m1")
    cache.put({"aa": (0.3, 0.3, 0.4)}, "m2")
    cache.put({}, "m2")
    assert cache.get(["aa", "cc"], "m1") == {"aa": (0.1, 0.2, 0.7)}
    assert cache.get(["aa", "bb"], "m2") == {"aa": (0.3, 0.3, 0.4)}
    assert cache.get([], "m1") == {}


def test_kinds_and_embeddings_of_a_text_come_back_as_they_were_put(location: str) -> None:
    cache = Lake(location).score_cache()
    kinds = np.linspace(0, 1, 18, dtype=np.float32).reshape(2, 9)
    embeddings = np.arange(128, dtype=np.float16).reshape(2, 64) / 3
    assert len(cache.get_kinds(["aa"], "m1", embeddings=True).text_hashes) == 0
    cache.put_kinds(StoredKinds(["bb", "aa"], kinds, embeddings), "m1")
    cache.put_kinds(StoredKinds([], kinds[:0], embeddings[:0]), "m1")
    cache.put_kinds(StoredKinds(["cc"], kinds[:1], None), "m1")
    stored = cache.get_kinds(["aa", "bb", "cc", "dd"], "m1", embeddings=False)
    assert stored.embeddings is None
    rows = dict(zip(stored.text_hashes, stored.kinds, strict=True))
    assert set(rows) == {"aa", "bb", "cc"}
    np.testing.assert_array_equal(rows["aa"], kinds[1])
    # a text whose embedding is not there counts as unknown where the embedding is asked for
    both = cache.get_kinds(["aa", "bb", "cc"], "m1", embeddings=True)
    assert both.embeddings is not None
    assert set(both.text_hashes) == {"aa", "bb"}
    by_name = dict(zip(both.text_hashes, both.embeddings, strict=True))
    np.testing.assert_array_equal(by_name["bb"], embeddings[0])
    assert len(cache.get_kinds(["aa"], "m2", embeddings=False).text_hashes) == 0
    cache.put_kinds(StoredKinds(["aa"], kinds[:1], embeddings[:1]), "m1")
    np.testing.assert_array_equal(cache.get_kinds(["aa"], "m1", embeddings=True).kinds, kinds[:1])


def refusals(file: str, *rows: int) -> pd.DataFrame:
    texts = {"column": "open", "value": "x", "kind": "number", "why": "is not a number", "remedy": "fix it"}
    day = pd.Timestamp("2014-01-02")
    frame = pd.DataFrame({"file": file, "row": list(rows), "symbol": "AAA", "session": day, **texts})
    return frame.astype({"session": "datetime64[us]"})


def test_refusals_are_those_of_the_last_import_of_a_file(location: str) -> None:
    lake = Lake(location)
    none = refusals("a.csv")
    lake.append_refusals(pd.concat([refusals("a.csv", 2, 3), refusals("b.csv", 9)]), files=["a.csv", "b.csv", "c.csv"])
    assert list(lake.refusals()["row"]) == [2, 3, 9]
    lake.append_refusals(refusals("a.csv", 3), files=["a.csv"])
    assert lake.refusals()[["file", "row"]].to_numpy().tolist() == [["a.csv", 3], ["b.csv", 9]]
    lake.append_refusals(none, files=["a.csv"])
    lake.append_refusals(none, files=["a.csv"])
    assert list(lake.refusals()["file"]) == ["b.csv"]


def test_a_clock_set_back_does_not_hide_a_revision(tmp_path: Path, bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    lake.append_bars(bars, source="x")
    hour = 3_600_000_000_000
    before = time.time_ns() - hour
    monkeypatch.setattr(time, "time_ns", lambda: before)
    revised = changed(bars, 0, volume=77.0)
    lake.append_bars(revised, source="x")
    assert lake.bars().fingerprint() == revised.fingerprint()


def test_a_damaged_part_is_named(location: str, bars: Bars, tmp_path: Path) -> None:
    lake = Lake(location)
    lake.append_bars(bars, source="x")
    lake.append_bars(changed(bars, 0, volume=1.0), source="x")
    parts = parts_of.open_parts(location)  # a part is damaged in a bucket and in a folder alike
    name = parts_of.names(parts, "bars")[0]
    path = f"{parts.root}/bars/{name}"
    with parts.filesystem.open_input_stream(path) as stream:
        whole = stream.read()
    for damage in (whole[: len(whole) // 2], b""):
        with parts.filesystem.open_output_stream(path) as stream:
            stream.write(damage)
        with pytest.raises(StoreError, match=rf"the part .*bars/{name} is damaged .*delete it and import"):
            lake.bars()
    with parts.filesystem.open_output_stream(path) as stream:
        stream.write(whole)
    assert len(lake.bars().frame) == len(bars.frame)


def test_files_that_are_no_parts_are_passed_over(tmp_path: Path, bars: Bars) -> None:
    lake = Lake(tmp_path)
    lake.append_bars(bars, source="x")
    for name in (".1700000000000000000-0123456789abcdef.parquet.0a1b2c3d.tmp", "notes.txt", "mine.parquet"):
        (tmp_path / "bars" / name).write_bytes(b"PAR1 cut off")
    assert lake.bars().fingerprint() == bars.fingerprint()


def test_parts_say_where_rows_came_from_and_when(tmp_path: Path, bars: Bars) -> None:
    Lake(tmp_path).append_bars(bars, source="prices.csv")
    (part,) = (tmp_path / "bars").iterdir()
    table = pq.read_table(part)
    assert set(table["source"].to_pylist()) == {"prices.csv"}
    moment = table["ingested_at"][0].as_py()
    assert moment.tzinfo is not None
    assert abs(moment.timestamp() - time.time()) < 60
    assert part.name.startswith(str(int(moment.timestamp() * 1e6))[:13])


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("gs://bucket/lake", "only a folder or s3://BUCKET/PREFIX can hold a lake"),
        ("s3://", "names no bucket"),
    ],
)
def test_a_place_that_can_hold_no_lake(location: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Lake(location)


def test_a_folder_that_can_not_be_written_or_read(tmp_path: Path, bars: Bars) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(StoreError, match="file is a file: name a folder"):
        Lake(file)
    with pytest.raises(StoreError, match=r"can't be written: .*Not a directory.*check the folder and its rights"):
        Lake(file / "lake").append_bars(bars, source="x")


def test_a_bucket_that_refuses_or_is_away(s3_environment: str, bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=r"s3://lake/x can't be read: .*SIGNATURE.*check bucket, AWS_\* keys"):
        Lake("s3://lake/x").bars()
    with pytest.raises(StoreError, match="can't be"):
        Lake("s3://lake/x").append_bars(bars, source="x")


def test_many_symbols_stay_in_order(tmp_path: Path, bars_of: MakeBars) -> None:
    whole = bars_of(symbols=12, sessions=40)
    lake = Lake(tmp_path)
    order = np.random.default_rng(3).permutation(12)
    for i in order:
        lake.append_bars(whole.select([f"S{i:02d}"]), source="x")
    assert lake.bars().fingerprint() == whole.fingerprint()


def test_the_as_of_view_is_what_the_lake_held_then(location: str, bars: Bars) -> None:
    lake = Lake(location)
    before = pd.Timestamp.now("UTC")
    lake.append_bars(bars, source="x")
    seen = pd.Timestamp.now("UTC")
    revised = changed(bars, 3, adj_close=1.5)
    lake.append_bars(revised, source="x")
    assert lake.bars(as_of=seen).fingerprint() == bars.fingerprint()
    assert lake.bars().fingerprint() == revised.fingerprint()
    assert lake.bars(as_of=pd.Timestamp.now("Asia/Tokyo")).fingerprint() == revised.fingerprint()
    with pytest.raises(StoreError, match="held no such bars at"):
        lake.bars(as_of=before)
    with pytest.raises(StoreError, match="has no time zone"):
        lake.bars(as_of=pd.Timestamp("2024-01-01"))
    lake.append_news(some_news(("2014-01-02 15:00", "AAA", "a late item")))
    assert lake.news(as_of=seen).frame.empty
    assert len(lake.news(as_of=pd.Timestamp.now("UTC")).frame) == 1


def test_the_same_rows_from_elsewhere_are_claimed_only_when_asked(location: str, bars: Bars) -> None:
    lake = Lake(location)
    lake.append_bars(bars, source="second")
    assert lake.append_bars(bars, source="first") == Appended(0, 0, len(bars.frame))
    assert lake.append_bars(bars, source="first", claim=True) == Appended(0, len(bars.frame), 0)
    assert lake.append_bars(bars, source="first", claim=True) == Appended(0, 0, len(bars.frame))
    assert set(lake.rows("bars")["source"]) == {"first"}
    spans = lake.spans("bars", list(bars.symbols))
    assert spans["source"].tolist() == ["first"] * len(bars.symbols)
    assert int(spans["count"].sum()) == len(bars.frame)


def test_rows_of_the_live_tables(location: str) -> None:
    lake = Lake(location)
    day, moment = pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-02 15:00", tz="UTC")
    action = {"symbol": "AAA", "session": day, "kind": "split", "value": 2.0, "source": "x"}
    assert lake.append_rows("actions", pd.DataFrame([action])) == Appended(1, 0, 0)
    assert lake.append_rows("actions", pd.DataFrame([action | {"value": 3.0}])) == Appended(0, 1, 0)
    assert lake.rows("actions")["value"].tolist() == [3.0]
    assert lake.rows("actions", since=day + pd.Timedelta(days=1)).empty
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    bar = {"symbol": "AAA", "interval": "1h", "opened_at": moment, **numbers, "source": "x"}
    lake.append_rows("intraday", pd.DataFrame([bar, bar | {"interval": "15m"}]))
    assert lake.rows("intraday", ["AAA"])["interval"].tolist() == ["15m", "1h"]
    assert lake.spans("intraday")["count"].tolist() == [1, 1]
    lake.append_rows("names", pd.DataFrame([{"symbol": "AAA", "name": "Example", "source": "x"}]))
    assert lake.query("SELECT name FROM names")["name"].tolist() == ["Example"]


def counts(*cells: tuple[str, str, str, float], as_of: AsOf = "close") -> DailyKinds:
    frame = pd.DataFrame(list(cells), columns=["symbol", "session", "kind", "n"]).assign(mean=0.25)
    return DailyKinds(frame, as_of=as_of)


def test_counts_of_kinds_come_back_and_those_that_are_no_more_do_not(location: str) -> None:
    lake = Lake(location)
    assert lake.kinds("news") is None
    first = counts(("ABC", "2015-06-11", "", 3), ("ABC", "2015-06-11", "legal", 1))
    assert lake.append_kinds(first, source="news") == Appended(2, 0, 0)
    assert lake.append_kinds(first, source="news") == Appended(0, 0, 2)
    later = counts(("ABC", "2015-06-11", "", 3), ("ABC", "2015-06-12", "", 1), ("ABC", "2015-06-12", "price", 1))
    lake.append_kinds(later, source="news")
    assert_frame_equal(known(lake.kinds("news")), later.frame)
    lake.append_kinds(first, source="news")
    assert_frame_equal(known(lake.kinds("news")), first.frame)


def test_counts_of_two_moments_and_of_two_settings_live_side_by_side(location: str) -> None:
    lake = Lake(location)
    close, night = counts(("ABC", "2015-06-11", "", 3)), counts(("ABC", "2015-06-11", "", 5), as_of="open")
    other = counts(("ABC", "2015-06-11", "", 7))
    lake.append_kinds(close, source="file")
    lake.append_kinds(night, source="file")
    lake.append_kinds(other, source="file", settings="key")
    assert_frame_equal(known(lake.kinds("file")), close.frame)
    of_open = lake.kinds("file", as_of="open")
    assert of_open is not None
    assert of_open.as_of == "open"
    assert_frame_equal(of_open.frame, night.frame)
    assert_frame_equal(known(lake.kinds("file", settings="key")), other.frame)
    assert lake.kinds("file", calendar="XNYS@1h") is None


def test_sentiment_brings_its_kinds(location: str) -> None:
    lake = Lake(location)
    kinds = counts(("ABC", "2015-06-11", "", 3), ("ABC", "2015-06-11", "legal", 1))
    row = {"symbol": "ABC", "session": "2015-06-11", "n": 3} | dict.fromkeys(SENTIMENT_COLUMNS[3:], 0.5)
    daily = DailySentiment(pd.DataFrame([row]), kinds=kinds)
    lake.append_sentiment(daily, source="file")
    again = lake.sentiment("file")
    assert again is not None
    assert again.fingerprint() == daily.fingerprint()
    assert again.until(pd.Timestamp("2015-06-10")).frame.empty
    assert lake.sentiment("file", as_of="open") is None
    with pytest.raises(DataError, match="sentiment of 1d at the open has kinds of 1d at the close"):
        DailySentiment(pd.DataFrame([row]), as_of="open", kinds=kinds)


def known(kinds: DailyKinds | None) -> pd.DataFrame:
    assert kinds is not None
    return kinds.frame


def test_news_in_blocks_and_the_newest(location: str) -> None:
    lake = Lake(location)
    assert lake.news_blocks(10) == []
    before = lake.news_state()
    moments = pd.date_range("2015-06-11", periods=30, freq="7h", tz="UTC")
    texts = [f"item {number}" for number in range(30)]
    frame = pd.DataFrame({"published_at": moments, "text": texts, "symbol": ["ABC", "XYZ", "ABC"] * 10})
    lake.append_news(News(frame.assign(id=texts, source="desk", url="")))
    assert lake.news_state() != before
    blocks = lake.news_blocks(10)
    assert all(count <= 10 for *_, count in blocks)
    parts = [lake.news(since=first, until=last).frame for first, last, _ in blocks]
    assert len(parts) > 2
    assert [len(part) for part in parts] == [count for *_, count in blocks]
    assert_frame_equal(pd.concat(parts, ignore_index=True), lake.news().frame)
    assert sorted(lake.newest_news(None, 2).frame["text"]) == ["item 25", "item 27", "item 28", "item 29"]
    newest = lake.newest_news(["XYZ"], 3).frame
    assert newest["text"].tolist() == ["item 22", "item 25", "item 28"]
