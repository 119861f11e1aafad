from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import DataError
from tenor.sentiment.labelled import Labelled
from tenor.sentiment.scores import LABELS

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tenor.sentiment import recipe  # noqa: E402
from tenor.sentiment.classifier import FineTuneConfig, load_encoder, load_tuned, mean_of_weights  # noqa: E402
from tenor.sentiment.scorer import Scorer  # noqa: E402
from tenor.sentiment.text import duplicate_key  # noqa: E402

QUICK = FineTuneConfig(epochs=2, batch_size=16, learning_rate=3e-3, head_learning_rate=3e-2, freeze_embeddings=False)


@pytest.fixture
def sets(tmp_path: Path, easy: Labelled) -> Path:
    """The three published sets in miniature; PhraseBank and TFNS's two parts share sentences."""
    for name in ("fpb", "tfns", "sentfin"):
        (tmp_path / name).mkdir()
    rows = [(text, LABELS[label]) for text, label in zip(easy.texts, easy.labels, strict=True)]
    phrases = [f"{text.upper()} .@{label}\n" for text, label in rows[:60]]
    (tmp_path / "fpb" / "Sentences_50Agree.txt").write_text("".join(phrases))
    (tmp_path / "fpb" / "Sentences_AllAgree.txt").write_text("".join(phrases[:40]))
    number = {"negative": 0, "positive": 1, "neutral": 2}
    for part, share in (("train", rows[40:120]), ("valid", rows[110:130])):
        lines = "".join(f"{text},{number[label]}\n" for text, label in share)
        (tmp_path / "tfns" / f"sent_{part}.csv").write_text("text,label\n" + lines)
    lines = "".join(f"{i},{text},{{'acme': '{label}'}},4\n" for i, (text, label) in enumerate(rows[100:]))
    (tmp_path / "sentfin" / "SEntFiN.csv").write_text("S No.,Title,Decisions,Words\n" + lines)
    return tmp_path


def test_training_never_sees_a_tested_sentence(sets: Path, easy: Labelled) -> None:
    train, valid = recipe.public_sentences(sets)
    tested = {duplicate_key(text) for text in (*easy.texts[:60], *easy.texts[110:130])}
    assert not tested & {duplicate_key(text) for text in (*train.texts, *valid.texts)}
    assert not set(train.texts) & set(valid.texts)
    assert set(train.texts) | set(valid.texts) == {*easy.texts[60:110], *easy.texts[130:]}


def test_shipped_weights_are_the_mean_of_their_runs(
    sets: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "encoder_folder", lambda: tiny_bert)
    runs = (recipe.Run(QUICK, mixed=False), recipe.Run(replace(QUICK, seed=1), mixed=True))
    found = recipe.train_shipped(sets, tmp_path / "out", work=tmp_path / "work", runs=runs)
    assert found.n > 0
    assert Scorer.load(tmp_path / "out").model_id.startswith("tenor-minilm-")
    steps: list[int] = []
    again = recipe.train_shipped(
        sets, tmp_path / "again", work=tmp_path / "work", runs=runs, on_step=lambda step, _: steps.append(step)
    )
    assert steps == []  # both runs were done
    assert again == found
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (tmp_path / "out" / "model.onnx").read_bytes()


def test_mean_of_weights(tiny_bert: Path) -> None:
    first, second = load_encoder(tiny_bert, QUICK), load_encoder(tiny_bert, replace(QUICK, seed=5))
    heads = [tuned.model.head.weight.detach().clone() for tuned in (first, second)]
    assert not torch.equal(*heads)
    torch.testing.assert_close(mean_of_weights([first, second]).model.head.weight.detach(), (heads[0] + heads[1]) / 2)


def test_protocol_tests_on_what_it_kept_apart(
    sets: Path, tiny_bert: Path, tmp_path: Path, easy: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_encoder(tiny_bert, QUICK).save(tmp_path / "start")
    trained: list[Labelled] = []
    fine_tune = recipe.fine_tune
    monkeypatch.setattr(
        recipe, "fine_tune", lambda tuned, train, **told: trained.append(train) or fine_tune(tuned, train, **told)
    )
    report = recipe.fpb_protocol(sets / "fpb", range(2), start=tmp_path / "start", config=QUICK)
    for result, train in zip(report.results, trained, strict=True):
        assert len(train) == 48
        assert result.at_50.n == 12
        assert 0 < result.at_100.n < 12
    assert trained[0].texts != trained[1].texts
    summary = report.to_json()
    accuracies = [result.at_50.accuracy for result in report.results]
    assert summary["accuracy_at_50"]["mean"] == pytest.approx(np.mean(accuracies))
    assert load_tuned(tmp_path / "start").config == QUICK  # the start is left as it was


def test_one_class_alone_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    only = Labelled(tuple(f"acme sets date {i}" for i in range(30)), np.zeros(30, dtype=np.int64), "mine.csv")
    with pytest.raises(DataError, match=r"mine\.csv: 30 distinct sentences do not hold all three classes"):
        recipe.tune_on(only, tmp_path / "out", work=tmp_path / "work")
