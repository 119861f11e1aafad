"""Two trainings with everything fixed: the weights in this package, and the test on Financial PhraseBank over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tenor.errors import DataError
from tenor.sentiment.classifier import FineTuneConfig, Tuned, encoder_folder, load_encoder, load_tuned, mean_of_weights
from tenor.sentiment.evaluate import Quality, mean_and_spread, quality
from tenor.sentiment.export import fit_temperature, write_weights
from tenor.sentiment.finetune import Epoch, fine_tune
from tenor.sentiment.labelled import Labelled, join, read_fpb, read_sentfin, read_tfns
from tenor.sentiment.scorer import softmax


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
SHIPPED_NAME = "tenor-minilm"
FPB_CONFIG = FineTuneConfig(
    epochs=3, learning_rate=1.5e-4, head_learning_rate=5e-4, averaging=0.99, token_dropout=0.05, label_smoothing=0.05
)
_VALID_SHARE = 0.08
_TEST_SHARE = 0.2
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
    tested = (read_fpb(folder / "fpb"), read_tfns(folder / "tfns"))
    parts, valids = [], []
    for sentences in (read_tfns(folder / "tfns", "train"), read_sentfin(folder / "sentfin", mixed=mixed)):
        part, valid = sentences.unique().without(*tested).split(_VALID_SHARE, _SPLIT_SEED)
        parts.append(part)
        valids.append(valid)
    train = join(parts, "TFNS + SEntFiN").unique()
    return train, join(valids, "TFNS + SEntFiN, validation").without(train)


def train_shipped(
    folder: Path,
    out: Path,
    *,
    work: Path,
    runs: Sequence[Run] = SHIPPED_RUNS,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Quality:
    """Tune the encoder once a run, average the weights and write them to `out`; a killed training goes on from `work`.

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
    tuned = mean_of_weights(members)
    tuned.save(work / "tuned")
    held_out = join(valids, "TFNS + SEntFiN, validation").unique().without(*trains)
    return _finish(tuned, held_out, out, SHIPPED_NAME)


def tune_on(
    sentences: Labelled,
    out: Path,
    *,
    work: Path,
    start: Path | None = None,
    config: FineTuneConfig = FPB_CONFIG,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Quality:
    """Tune on a user's own labelled sentences and write the weights to `out`, as `Scorer.load` takes them.

    Parameters
    ----------
    start : folder that `Tuned.save` wrote; default: the untuned encoder.

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


@dataclass(frozen=True)
class SeedResult:
    """Test quality of one seed: on all its test sentences, and on those where all annotators agree."""

    seed: int
    at_50: Quality
    at_100: Quality


@dataclass(frozen=True)
class SeedsReport:
    """Several seeds of the protocol, in the order they were run."""

    results: tuple[SeedResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Mean and standard deviation over the seeds, and each seed's report."""
        spread = {
            f"{measure}_{agreement}": mean_and_spread([getattr(getattr(r, agreement), measure) for r in self.results])
            for agreement in ("at_50", "at_100")
            for measure in ("accuracy", "macro_f1")
        }
        return {
            **{name: {"mean": mean, "sd": sd} for name, (mean, sd) in spread.items()},
            "seeds": [{"seed": r.seed, "at_50": r.at_50.to_json(), "at_100": r.at_100.to_json()} for r in self.results],
        }


def fpb_protocol(
    folder: Path,
    seeds: Iterable[int] = range(5),
    *,
    start: Path | None = None,
    config: FineTuneConfig = FPB_CONFIG,
    on_seed: Callable[[SeedResult], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> SeedsReport:
    """Tune on Financial PhraseBank (>= 50 % agreement) and test on a random 20 %, once a seed.

    Duplicates are dropped before the split; the seed draws split, order and dropout. The schedule is run to its end:
    the test sentences choose nothing. The figures at 100 % agreement are of the same models, on those of their test
    sentences on which all annotators agree.

    Parameters
    ----------
    folder : Financial PhraseBank as published.
    start : folder that `Tuned.save` wrote; it must not have been tuned on PhraseBank. Default: the untuned encoder.
    """
    sentences = read_fpb(folder).unique()
    agreed = set(read_fpb(folder, 100).texts)
    results = []
    for seed in seeds:
        train, test = sentences.split(_TEST_SHARE, seed)
        tuned = _start(start, replace(config, seed=seed))
        fine_tune(tuned, train, on_step=on_step)
        probabilities = softmax(tuned.logits(test.texts))
        full = np.array([text in agreed for text in test.texts])
        name = f"seed {seed}"
        results.append(
            SeedResult(
                seed,
                quality(test.labels, probabilities, model=name),
                quality(test.labels[full], probabilities[full], model=name),
            )
        )
        if on_seed is not None:
            on_seed(results[-1])
    return SeedsReport(tuple(results))


def _start(start: Path | None, config: FineTuneConfig) -> Tuned:
    return load_encoder(encoder_folder(), config) if start is None else load_tuned(start, config)
