"""The training of the weights in this package, with everything fixed, and the tuning on a user's own sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenor.errors import DataError
from tenor.sentiment.classifier import (
    FineTuneConfig,
    Tuned,
    encoder_folder,
    load_encoder,
    load_shipped,
    load_tuned,
    mean_of_weights,
)
from tenor.sentiment.evaluate import Quality, quality
from tenor.sentiment.export import fit_temperature, write_weights
from tenor.sentiment.finetune import Epoch, fine_tune
from tenor.sentiment.labelled import Labelled, join, read_fpb, read_sentfin, read_tfns
from tenor.sentiment.scorer import softmax
from tenor.sentiment.statements import statements


@dataclass(frozen=True)
class Run:
    """One of the trainings whose weights are averaged; `mixed` as in `read_sentfin`."""

    config: FineTuneConfig
    mixed: bool


SHIPPED_RUNS = (
    Run(FineTuneConfig(epochs=4, label_smoothing=0.05, averaging=0.995), mixed=False),
    Run(
        FineTuneConfig(
            epochs=3,
            label_smoothing=0.05,
            averaging=0.995,
            joining=0.25,
            token_dropout=0.1,
            freeze_embeddings=False,
        ),
        mixed=True,
    ),
)
SHIPPED_LAST = FineTuneConfig(
    epochs=1,
    learning_rate=1.5e-4,
    head_learning_rate=7.5e-4,
    label_smoothing=0.05,
    averaging=0.995,
    joining=0.25,
    token_dropout=0.1,
    seed=2,
)
"""After the mean of `SHIPPED_RUNS`: once more through their sentences, with `STATEMENTS` statements among them."""
STATEMENTS = 7000
SHIPPED_NAME = "tenor-minilm"
TUNE_CONFIG = FineTuneConfig(
    epochs=3, learning_rate=1.5e-4, head_learning_rate=5e-4, averaging=0.99, token_dropout=0.05, label_smoothing=0.05
)
_VALID_SHARE = 0.08
_SPLIT_SEED = 7


def public_sentences(folder: Path, *, mixed: bool = True) -> tuple[Labelled, Labelled]:
    """Training and validation sentences of the shipped weights: TFNS (its train part) and SEntFiN, both MIT.

    What Financial PhraseBank or the validation part of TFNS holds in any spelling is left out, so that both are
    unseen; 8 % of each set is kept apart for validation.

    Parameters
    ----------
    folder : holds the published sets as ``tfns/``, ``sentfin/`` and ``fpb/``.
    mixed : as in `read_sentfin`.
    """
    tested = _tested(folder)
    parts, valids = [], []
    for sentences in (read_tfns(folder / "tfns", "train"), read_sentfin(folder / "sentfin", mixed=mixed)):
        part, valid = sentences.unique().without(*tested).split(_VALID_SHARE, _SPLIT_SEED)
        parts.append(part)
        valids.append(valid)
    train = join(parts, "TFNS + SEntFiN").unique()
    return train, join(valids, "TFNS + SEntFiN, validation").without(train)


def with_statements(folder: Path, count: int) -> Labelled:
    """`public_sentences` to train on and `count` company statements of our own, less what a tested set holds."""
    train, _ = public_sentences(folder)
    return join([train, statements(count).unique().without(*_tested(folder))], "TFNS + SEntFiN + statements")


def _tested(folder: Path) -> tuple[Labelled, Labelled]:
    return read_fpb(folder / "fpb"), read_tfns(folder / "tfns")


def train_shipped(
    folder: Path,
    out: Path,
    *,
    work: Path,
    runs: Sequence[Run] = SHIPPED_RUNS,
    last: FineTuneConfig = SHIPPED_LAST,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Quality:
    """Tune the encoder once a run, average the weights, go through it all once more with statements, write to `out`.

    A killed training goes on from `work`.

    ``work/tuned`` keeps the classifier in float32, to tune on from there. Returns its quality on sentences that no run
    was trained on; the temperature is fitted there too.
    """
    members, trains, valids = [], [], []
    for number, run in enumerate(runs, start=1):
        train, valid = public_sentences(folder, mixed=run.mixed)
        members.append(load_encoder(encoder_folder(), run.config))
        fine_tune(members[-1], train, valid, work=work / f"run-{number}", on_epoch=on_epoch, on_step=on_step)
        trains.append(train)
        valids.append(valid)
    mean_of_weights(members).save(work / "mean")
    tuned = load_tuned(work / "mean", last)
    fine_tune(tuned, with_statements(folder, STATEMENTS), work=work / "statements", on_epoch=on_epoch, on_step=on_step)
    # two thirds of what this taught: tweets are read better than with all of it, statements nearly as well
    tuned = mean_of_weights([tuned, tuned, load_tuned(work / "mean")])
    tuned.save(work / "tuned")
    held_out = join(valids, "TFNS + SEntFiN, validation").unique().without(*trains)
    return _finish(tuned, held_out, out, SHIPPED_NAME)


def tune_on(
    sentences: Labelled,
    out: Path,
    *,
    work: Path,
    start: Path | None = None,
    config: FineTuneConfig = TUNE_CONFIG,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Quality:
    """Tune on a user's own labelled sentences and write the weights to `out`, as `Scorer.load` takes them.

    Parameters
    ----------
    start : folder that `Tuned.save` wrote; default: the weights in this package.

    Returns
    -------
    The quality on the validation sentences: 10 % of them, kept apart, which set the temperature too.
    """
    unique = sentences.unique()
    train, valid = unique.split(0.1, config.seed)
    if len(set(train.labels.tolist())) < 3 or not len(valid):
        raise DataError(f"{sentences.name}: {len(unique)} distinct sentences do not hold all three classes: add some.")
    tuned = _start(start, config)
    fine_tune(tuned, train, valid, work=work, on_epoch=on_epoch, on_step=on_step)
    tuned.save(work / "tuned")
    return _finish(tuned, valid, out, out.name)


def _finish(tuned: Tuned, valid: Labelled, out: Path, name: str) -> Quality:
    logits = tuned.logits(valid.texts)
    temperature = fit_temperature(logits, valid.labels)
    write_weights(tuned, out, name=name, temperature=temperature)
    return quality(valid.labels, softmax(logits / temperature), model=name)


def _start(start: Path | None, config: FineTuneConfig) -> Tuned:
    return load_shipped(config) if start is None else load_tuned(start, config)
