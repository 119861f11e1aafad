"""Tuning on a user's own labelled sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tenor.errors import DataError
from tenor.sentiment.training.classifier import FineTuneConfig, load_shipped, load_tuned
from tenor.sentiment.training.evaluate import Quality
from tenor.sentiment.training.export import write_calibrated
from tenor.sentiment.training.finetune import Epoch, fine_tune
from tenor.sentiment.training.labelled import LabelledTexts

TUNE_CONFIG = FineTuneConfig(
    epochs=3, learning_rate=1.5e-4, head_learning_rate=5e-4, averaging=0.99, token_dropout=0.05, label_smoothing=0.05
)
_VALID_SHARE = 0.1


def tune_on(
    sentences: LabelledTexts,
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
    sentences
        Texts with their classes; all three classes must occur.
    out
        Folder for the weights; its name becomes the model's.
    work
        Folder for the checkpoints: a killed run resumes from there.
    start
        Folder that `TunedClassifier.save` wrote; default: the weights in this package.
    config
        How to tune.
    on_epoch, on_step
        As in `fine_tune`.

    Returns
    -------
    Quality
        On the validation sentences: 10 % of `sentences`, held out, which set the temperature too.

    Raises
    ------
    DataError
        The sentences do not hold all three classes.
    """
    unique = sentences.unique()
    train, valid = unique.split(_VALID_SHARE, config.seed)
    if len(set(train.labels.tolist())) < 3 or not len(valid):
        raise DataError(f"{sentences.name}: {len(unique)} distinct sentences do not hold all three classes: add some.")
    tuned = load_shipped(config) if start is None else load_tuned(start, config)
    fine_tune(tuned, train, valid, work=work, on_epoch=on_epoch, on_step=on_step)
    tuned.save(work / "tuned")
    return write_calibrated(tuned, valid, out, out.name)
