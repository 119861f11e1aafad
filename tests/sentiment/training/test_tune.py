from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import DataError
from tenor.sentiment.training.labelled import LabelledTexts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tenor.sentiment.encoder import OnnxEncoder  # noqa: E402
from tenor.sentiment.training.classifier import FineTuneConfig, load_encoder, load_shipped, mean_of_weights  # noqa: E402
from tenor.sentiment.training.tune import tune_on  # noqa: E402

QUICK = FineTuneConfig(
    epochs=2, batch_size=16, learning_rate=3e-3, head_learning_rate=3e-2, freeze_embeddings=False, max_tokens=32
)


def test_tuning_starts_from_what_is_shipped() -> None:
    """The stored graph gives back the classifier that it was written from."""
    texts = ("Acme profit falls hard", "Acme wins a large order", "Acme will meet on Monday")
    encoder = OnnxEncoder()
    expected = np.concatenate([encoder.logits(np.array([ids])) for ids in encoder.tokenise(list(texts))])
    np.testing.assert_allclose(load_shipped(FineTuneConfig()).logits(texts), expected, atol=1e-4)


def test_mean_of_weights(tiny_bert: Path) -> None:
    first, second = load_encoder(tiny_bert, QUICK), load_encoder(tiny_bert, replace(QUICK, seed=5))
    heads = [tuned.model.head.weight.detach().clone() for tuned in (first, second)]
    assert not torch.equal(*heads)
    torch.testing.assert_close(mean_of_weights([first, second]).model.head.weight.detach(), (heads[0] + heads[1]) / 2)


def test_one_class_alone_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    only = LabelledTexts(tuple(f"acme sets date {i}" for i in range(30)), np.zeros(30, dtype=np.int64), "mine.csv")
    with pytest.raises(DataError, match=r"mine\.csv: 30 distinct sentences do not hold all three classes"):
        tune_on(only, tmp_path / "out", work=tmp_path / "work")
