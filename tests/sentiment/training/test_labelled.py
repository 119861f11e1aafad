from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError, DataError
from tenor.sentiment.training.labelled import (
    LabelledTexts,
    fpb_targets,
    join,
    read_csv,
    read_fpb,
    read_semeval,
    read_sentfin,
    read_tfns,
)


def _set(*rows: tuple[str, int], name: str = "invented") -> LabelledTexts:
    return LabelledTexts(tuple(t for t, _ in rows), np.array([label for _, label in rows], dtype=np.int64), name)


def test_fpb_lines_split_at_the_last_at_sign(tmp_path: Path) -> None:
    (tmp_path / "Sentences_75Agree.txt").write_text("Acme hires @ home .@neutral\nAcme gains .@positive\n\n")
    read = read_fpb(tmp_path, 75)
    assert read.texts == ("Acme hires @ home .", "Acme gains .")
    assert read.labels.tolist() == [1, 0]


def test_targets_say_how_sure_the_annotators_were(tmp_path: Path) -> None:
    rows = ["Acme rises .@positive\n", "Acme meets .@neutral\n", "Acme falls .@negative\n", "Acme sells .@neutral\n"]
    for name, count in (("50Agree", 4), ("66Agree", 3), ("75Agree", 2), ("AllAgree", 1)):
        (tmp_path / f"Sentences_{name}.txt").write_text("".join(rows[:count]))
    targets = fpb_targets(tmp_path, read_fpb(tmp_path))
    expected = [[1, 0, 0], [0.065, 0.87, 0.065], [0, 0.3, 0.7], [0.21, 0.58, 0.21]]
    np.testing.assert_allclose(targets, expected, atol=1e-6)


def test_tfns_numbers_become_classes(tmp_path: Path) -> None:
    (tmp_path / "sent_valid.csv").write_text('text,label\n"Acme falls, again",0\nAcme jumps,1\nAcme meets,2\n')
    read = read_tfns(tmp_path)
    assert read.texts[0] == "Acme falls, again"
    assert read.labels.tolist() == [2, 0, 1]


def test_sentfin_keeps_titles_whose_entities_do_not_contradict(tmp_path: Path) -> None:
    (tmp_path / "SEntFiN.csv").write_text(
        "S No.,Title,Decisions,Words\n"
        "1,Acme and Globex rise,\"{'Acme': 'positive', 'Globex': 'positive'}\",4\n"
        "2,Acme up as Globex sinks,\"{'Acme': 'positive', 'Globex': 'negative'}\",5\n"
        '3,Dr Moe\'s unit flat,"{""Dr Moe\'s"": \'neutral\'}",4\n'
        "4,Acme falls as Globex meets,\"{'Acme': 'negative', 'Globex': 'neutral'}\",5\n"
    )
    read = read_sentfin(tmp_path)
    assert read.texts == ("Acme and Globex rise", "Dr Moe's unit flat", "Acme falls as Globex meets")
    assert read.labels.tolist() == [0, 1, 2]


def test_semeval_scores_are_cut(tmp_path: Path) -> None:
    (tmp_path / "SemEval2017Task5Headlines.json").write_text(
        '[{"title": "a", "sentiment": 0.16}, {"title": "b", "sentiment": -0.15}, {"title": "c", "sentiment": -0.9}]'
    )
    assert read_semeval(tmp_path).labels.tolist() == [0, 1, 2]


def test_csv_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("\ufefflabel,text,note\nPositive,Acme <b>wins</b>,x\n negative,Acme loses,\n", encoding="utf-8")
    read = read_csv(path)
    assert read.texts == ("Acme wins", "Acme loses")
    assert read.labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\nAcme,positiv\n", r"row 2: unknown label 'positiv'. Did you mean 'positive'\?"),
        ("text,label\nAcme\n", "row 2: unknown label ''"),
        ("text,sentiment\nAcme,positive\n", "no column 'label'"),
        ("text,label\n", "holds no labelled sentence"),
        ("", "no column 'text'"),
    ],
)
def test_unusable_csv_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_csv(path)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sent_valid\.csv is not there"):
        read_tfns(tmp_path)
    (tmp_path / "x.csv").write_bytes(b"text,label\n\xff\xfe,positive\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_csv(tmp_path / "x.csv")
    with pytest.raises(ConfigError, match="no 60 % agreement"):
        read_fpb(tmp_path, 60)
    (tmp_path / "SemEval2017Task5Headlines.json").write_text('{"title": 1}')
    with pytest.raises(DataError, match="'title' and 'sentiment'"):
        read_semeval(tmp_path)


def test_unique_drops_repeats_and_contradictions() -> None:
    sentences = _set(("Acme gains", 0), ("ACME gains!", 0), ("Acme waits", 1), ("acme waits", 2), ("Globex waits", 1))
    assert sentences.unique().texts == ("Acme gains", "Globex waits")


def test_without_compares_in_any_spelling() -> None:
    sentences = _set(("Acme gains https://example.com", 0), ("Acme waits", 1))
    assert sentences.without(_set(("ACME gains.", 2))).texts == ("Acme waits",)


def test_split_is_a_partition_by_seed() -> None:
    sentences = _set(*[(f"sentence {i}", i % 3) for i in range(50)])
    rest, part = sentences.split(0.2, seed=1)
    assert len(part) == 10
    assert sorted(rest.texts + part.texts) == sorted(sentences.texts)
    assert sentences.split(0.2, seed=1)[1].texts == part.texts
    assert sentences.split(0.2, seed=2)[1].texts != part.texts
    assert join([rest, part], "all").labels.tolist().count(0) == sentences.labels.tolist().count(0)


def test_published_sets_have_their_published_sizes(published: Callable[[str], Path]) -> None:
    folder = published("sentiment")
    assert [len(read_fpb(folder / "fpb", a)) for a in (50, 66, 75, 100)] == [4846, 4217, 3453, 2264]
    assert len(read_tfns(folder / "tfns", "train")) == 9543
    assert len(read_tfns(folder / "tfns")) == 2388
    assert len(read_semeval(folder / "semeval17")) == 1142
    assert 9000 < len(read_sentfin(folder / "sentfin")) < 10753
