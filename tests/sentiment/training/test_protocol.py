from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tenor.errors import ConfigError
from tenor.sentiment.scorer import softmax
from tenor.sentiment.scores import LABELS
from tenor.sentiment.training.evaluate import quality
from tenor.sentiment.training.labelled import LabelledTexts, read_fpb

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tenor.cli.sentiment import app  # noqa: E402
from tenor.sentiment.training import protocol  # noqa: E402
from tenor.sentiment.training.classifier import FineTuneConfig, TunedClassifier, load_encoder, load_tuned  # noqa: E402

QUICK = FineTuneConfig(epochs=2, batch_size=16, learning_rate=3e-3, head_learning_rate=3e-2, freeze_embeddings=False)


@pytest.fixture
def fpb(tmp_path: Path, easy: LabelledTexts) -> Path:
    """PhraseBank in miniature: 60 sentences, of which 20 and 20 more are less agreed on."""
    folder = tmp_path / "fpb"
    folder.mkdir()
    phrases = [f"{text} .@{LABELS[label]}\n" for text, label in zip(easy.texts[:60], easy.labels, strict=False)]
    for name, count in (("50Agree", 60), ("66Agree", 50), ("75Agree", 40), ("AllAgree", 40)):
        (folder / f"Sentences_{name}.txt").write_text("".join(phrases[:count]))
    return folder


@pytest.fixture
def start(tmp_path: Path, tiny_bert: Path) -> Path:
    load_encoder(tiny_bert, QUICK).save(tmp_path / "start")
    return tmp_path / "start"


def test_the_test_sentences_are_held_out(fpb: Path, start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[LabelledTexts] = []
    fine_tune = protocol.fine_tune
    monkeypatch.setattr(
        protocol,
        "fine_tune",
        lambda tuned, train, **options: trained.append(train) or fine_tune(tuned, train, **options),
    )
    report = protocol.fpb_protocol(fpb, range(2), start=start, config=QUICK, members=1)
    for result, train in zip(report.results, trained, strict=True):
        assert len(train) == 48
        assert result.at_50.n == 12
        assert 0 < result.at_100.n < 12
    assert trained[0].texts != trained[1].texts
    summary = report.to_json()
    accuracies = [result.at_50.accuracy for result in report.results]
    assert summary["accuracy_at_50"]["mean"] == pytest.approx(np.mean(accuracies))
    assert load_tuned(start).config == QUICK  # the start is left as it was


def test_a_finished_seed_is_not_run_again(fpb: Path, start: Path, tmp_path: Path) -> None:
    steps: list[int] = []

    def run(seeds: int, config: FineTuneConfig = QUICK) -> protocol.ProtocolReport:
        steps.clear()
        return protocol.fpb_protocol(
            fpb,
            range(seeds),
            start=start,
            config=config,
            members=2,
            work=tmp_path / "w",
            on_step=lambda s, _: steps.append(s),
        )

    first = run(1)
    assert len(steps) == 2 * 6
    both = run(2)
    assert len(steps) == 2 * 6
    assert both.results[0] == first.results[0]
    assert run(2) == both
    assert steps == []
    run(1, replace(QUICK, epochs=1))  # other settings are another result
    assert len(steps) == 2 * 3
    path = tmp_path / "w" / "seed-1.json"
    path.write_text(path.read_text()[:200])  # as after a full disk
    assert run(2).results[1] == both.results[1]
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == ["seed-0.json", "seed-1.json"]


def test_a_killed_seed_resumes_after_its_last_epoch(fpb: Path, start: Path, tmp_path: Path) -> None:
    uninterrupted = protocol.fpb_protocol(fpb, range(1), start=start, config=QUICK, members=2)
    steps: list[int] = []

    def kill(step: int, _: int) -> None:
        steps.append(step)
        if steps.count(step) == 2 and step == 5:  # of the second member
            raise KeyboardInterrupt

    def run(on_step: Callable[[int, int], None]) -> protocol.ProtocolReport:
        return protocol.fpb_protocol(
            fpb, range(1), start=start, config=QUICK, members=2, work=tmp_path / "w", on_step=on_step
        )

    with pytest.raises(KeyboardInterrupt):
        run(kill)
    steps.clear()
    resumed = run(lambda s, _: steps.append(s))
    assert steps == [4, 5, 6]
    assert resumed == uninterrupted
    assert json.loads((tmp_path / "w" / "seed-0.json").read_text())["seed"] == 0


def test_the_mean_of_the_members_is_tested(fpb: Path, start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    averaged: list[list[TunedClassifier]] = []
    mean = protocol.mean_of_weights
    monkeypatch.setattr(protocol, "mean_of_weights", lambda group: averaged.append(list(group)) or mean(group))
    report = protocol.fpb_protocol(fpb, range(1), start=start, config=QUICK, members=3)
    (group,) = averaged
    assert len({tuned.config.seed for tuned in group}) == 3
    _, test = read_fpb(fpb).unique().split(0.2, 0)
    assert report.results[0].at_50 == quality(test.labels, softmax(group[0].logits(test.texts)), model="seed 0")
    with pytest.raises(ConfigError, match="members is 0; it must be at least 1"):
        protocol.fpb_protocol(fpb, range(1), start=start, members=0)


def test_a_folder_that_cant_be_made_is_refused_at_once(fpb: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/w can't be made"):
        protocol.fpb_protocol(fpb, range(1), work=tmp_path / "file" / "w")


def test_the_verb_prints_each_seed_and_their_mean(fpb: Path, start: Path, tmp_path: Path) -> None:
    def run(*more: str) -> str:
        options = ["benchmark", "--folder", str(fpb.parent), "--seeds", "2", "--start", str(start)]
        done = CliRunner().invoke(app, [*options, "--work", str(tmp_path / "w"), *more], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    printed = json.loads(run("--json"))
    assert [seed["seed"] for seed in printed["seeds"]] == [0, 1]
    mean = printed["accuracy_at_50"]["mean"]
    assert mean == pytest.approx(np.mean([seed["at_50"]["accuracy"] for seed in printed["seeds"]]))
    lines = run().splitlines()  # from the saved results
    assert lines[-1].split()[0] == "mean"
    assert f"{mean:.3f}" in lines[-1]
    assert len(lines) == 4
