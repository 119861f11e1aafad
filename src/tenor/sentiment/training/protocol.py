"""The test on Financial PhraseBank over seeds: tuning on 80 % of its sentences, evaluation on the other 20 %."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tenor.config import to_mapping
from tenor.errors import ConfigError
from tenor.sentiment.scorer import softmax
from tenor.sentiment.training.classifier import (
    FineTuneConfig,
    TunedClassifier,
    load_shipped,
    load_tuned,
    mean_of_weights,
)
from tenor.sentiment.training.evaluate import Quality, mean_and_spread, quality
from tenor.sentiment.training.finetune import fine_tune
from tenor.sentiment.training.labelled import LabelledTexts, fpb_targets, read_fpb
from tenor.storage.files import content_key, read_json, write_json

FPB_CONFIG = FineTuneConfig(
    epochs=3, learning_rate=1.5e-4, head_learning_rate=5e-4, averaging=0.99, token_dropout=0.05, half_precision=True
)
FPB_MEMBERS = 3
_TEST_SHARE = 0.2
_NEXT_MEMBER = 1000  # between the seeds of two members: larger than any seed of the protocol


@dataclass(frozen=True)
class SeedQuality:
    """Test quality of one seed: on all its test sentences, and on those where all annotators agree."""

    seed: int
    at_50: Quality
    at_100: Quality

    def to_json(self) -> dict[str, Any]:
        """The same as plain numbers."""
        return {"seed": self.seed, "at_50": self.at_50.to_json(), "at_100": self.at_100.to_json()}


@dataclass(frozen=True)
class ProtocolReport:
    """Several seeds of the protocol, in the order they were run."""

    results: tuple[SeedQuality, ...]

    def to_json(self) -> dict[str, Any]:
        """Mean and standard deviation over the seeds, and each seed's report."""
        spread = {
            f"{measure}_{agreement}": mean_and_spread([getattr(getattr(r, agreement), measure) for r in self.results])
            for agreement in ("at_50", "at_100")
            for measure in ("accuracy", "macro_f1")
        }
        return {
            **{name: {"mean": mean, "sd": sd} for name, (mean, sd) in spread.items()},
            "seeds": [result.to_json() for result in self.results],
        }


def fpb_protocol(
    folder: Path,
    seeds: Iterable[int] = range(5),
    *,
    start: Path | None = None,
    config: FineTuneConfig = FPB_CONFIG,
    members: int = FPB_MEMBERS,
    work: Path | None = None,
    on_seed: Callable[[SeedQuality], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> ProtocolReport:
    """Tune on Financial PhraseBank (>= 50 % agreement) and test on a random 20 %, once for each seed.

    Duplicates are dropped before the split; the seed draws split, order and dropout. The model tested is the mean of
    the weights of `members` tunings on the same sentences, in other orders and with other dropout. They learn how sure
    the annotators were (`fpb_targets`) and are tested on the labels. The schedule is run to its end: the test sentences
    select nothing. The results at 100 % agreement are of the same models, on those of their test sentences on which
    all annotators agree.

    Parameters
    ----------
    folder
        Financial PhraseBank as published.
    seeds
        One run for each seed.
    start
        Folder that `TunedClassifier.save` wrote; it must not have been tuned on PhraseBank. Default: the weights in
        this package, which were not.
    config
        How to tune; its seed is replaced.
    members
        Tunings whose weights are averaged, at least 1.
    work
        Folder for the result of each seed: a seed that was finished with the same settings, sentences and start is not
        run again, and a killed one resumes after its last epoch.
    on_seed
        Called with each seed's result.
    on_step
        As in `fine_tune`.

    Raises
    ------
    ConfigError
        `work` can't be made, or `members` is less than 1.
    """
    if members < 1:
        raise ConfigError(f"members is {members}; it must be at least 1.")
    if work is not None:
        try:
            work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{work} can't be made ({error.strerror}): name another folder for the results."
            ) from None
    sentences = read_fpb(folder).unique()
    unanimous = set(read_fpb(folder, 100).texts)
    results = []
    for seed in seeds:
        settings = [replace(config, seed=seed + _NEXT_MEMBER * member) for member in range(members)]
        group = [load_shipped(own) if start is None else load_tuned(start, own) for own in settings]
        train, test = sentences.split(_TEST_SHARE, seed)
        signature = _signature(group, train, test) if work else ""
        result = _saved_result(work, seed, signature)
        if result is None:
            part = None if work is None else work / f"seed-{seed}-{signature[:8]}"
            targets = fpb_targets(folder, train)
            for number, tuned in enumerate(group):
                own_part = None if part is None else part / f"member-{number}"
                fine_tune(tuned, train, targets=targets, work=own_part, on_step=on_step)
            probabilities = softmax(mean_of_weights(group).logits(test.texts))
            full = np.array([text in unanimous for text in test.texts])
            result = SeedQuality(
                seed,
                quality(test.labels, probabilities, model=f"seed {seed}"),
                quality(test.labels[full], probabilities[full], model=f"seed {seed}"),
            )
            if work is not None and part is not None:
                write_json(work / f"seed-{seed}.json", {"signature": signature, **result.to_json()})
                shutil.rmtree(part, ignore_errors=True)
        results.append(result)
        if on_seed is not None:
            on_seed(result)
    return ProtocolReport(tuple(results))


def _signature(group: list[TunedClassifier], train: LabelledTexts, test: LabelledTexts) -> str:
    configs = [to_mapping(member.config) for member in group]
    weights = [tensor.numpy().tobytes() for tensor in group[0].model.state_dict().values()]  # the same for all members
    sentences = [part.texts for part in (train, test)]
    labels = [part.labels.tobytes() for part in (train, test)]
    return content_key(configs, sentences, *labels, *weights)


def _saved_result(work: Path | None, seed: int, signature: str) -> SeedQuality | None:
    try:
        saved = read_json((work / f"seed-{seed}.json").read_text(encoding="utf-8")) if work else {}
        if saved.get("signature") != signature:
            return None
        return SeedQuality(seed, Quality.from_json(saved["at_50"]), Quality.from_json(saved["at_100"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no result, or a damaged one: the seed is run again
