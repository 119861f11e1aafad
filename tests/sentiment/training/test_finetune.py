from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenor.config import to_mapping
from tenor.errors import ConfigError, ModelError
from tenor.sentiment.training.labelled import LabelledTexts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tenor.sentiment.encoder import OnnxEncoder  # noqa: E402
from tenor.sentiment.scorer import Scorer, softmax  # noqa: E402
from tenor.sentiment.training.classifier import FineTuneConfig, load_encoder, load_tuned, pad, tokenise  # noqa: E402
from tenor.sentiment.training.export import fit_temperature, write_weights  # noqa: E402
from tenor.sentiment.training.finetune import Epoch, fine_tune, join_neighbours  # noqa: E402
from tenor.sentiment.training.tune import tune_on  # noqa: E402

FAST = FineTuneConfig(
    epochs=8,
    batch_size=16,
    learning_rate=3e-3,
    head_learning_rate=3e-2,
    averaging=0.8,
    dropout=0.0,
    joining=0.1,
    token_dropout=0.02,
    freeze_embeddings=False,
)


def test_learns_what_one_word_decides(tiny_bert: Path, easy: LabelledTexts) -> None:
    train, test = easy.split(0.25, seed=0)
    tuned = load_encoder(tiny_bert, FAST)
    before = (tuned.logits(test.texts).argmax(1) == test.labels).mean()
    epochs = fine_tune(tuned, train, test)
    after = (tuned.logits(test.texts).argmax(1) == test.labels).mean()
    assert before < 0.6 < 0.9 < after
    assert epochs[-1].accuracy == pytest.approx(after)
    assert epochs[-1].loss < epochs[0].loss


def test_same_seed_same_weights_other_seed_other_weights(tiny_bert: Path, easy: LabelledTexts) -> None:
    def run(seed: int) -> np.ndarray:
        tuned = load_encoder(tiny_bert, replace(FAST, epochs=1, seed=seed))
        fine_tune(tuned, easy)
        return tuned.logits(easy.texts[:5])

    np.testing.assert_array_equal(run(3), run(3))
    assert np.abs(run(3) - run(4)).max() > 1e-3


def test_joined_sentences_keep_their_label(easy: LabelledTexts) -> None:
    ids = [[2, 10 + label, 100 + i, 3] for i, label in enumerate(easy.labels.tolist())]
    joined = join_neighbours(ids, easy.labels, replace(FAST, joining=0.99, max_tokens=8), np.random.default_rng(0))
    longer = [(sentence, label) for sentence, label in zip(joined, easy.labels, strict=True) if len(sentence) > 4]
    assert len(longer) > 60
    for sentence, label in longer:
        assert (sentence[0], sentence[-1], len(sentence)) == (2, 3, 6)
        assert {sentence[1] - 10, sentence[3] - 10} <= {int(label), 1}
    assert join_neighbours(ids, easy.labels, replace(FAST, joining=0.99, max_tokens=5), np.random.default_rng(0)) == ids


def test_two_passes_agree_more_with_a_weight_on_consistency(tiny_bert: Path, easy: LabelledTexts) -> None:
    def disagreement(consistency: float) -> float:
        tuned = load_encoder(tiny_bert, replace(FAST, dropout=0.3, consistency=consistency))
        fine_tune(tuned, easy)
        tuned.model.train()
        ids, mask = pad(tokenise(tuned.tokenizer, easy.texts, 16))
        with torch.no_grad():
            first, second = (tuned.model(ids, mask).softmax(-1) for _ in range(2))
        return float((first - second).abs().mean())

    assert disagreement(4.0) < 0.8 * disagreement(0.0)


@pytest.mark.parametrize("able", [True, False])
def test_half_precision_learns_the_same_and_keeps_full_weights(
    able: bool, tiny_bert: Path, easy: LabelledTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    whole, half = load_encoder(tiny_bert, FAST), load_encoder(tiny_bert, replace(FAST, half_precision=True))
    fine_tune(whole, easy)
    fine_tune(half, easy)
    assert {weight.dtype for weight in half.model.state_dict().values()} == {torch.float32}
    halved, full = half.logits(easy.texts), whole.logits(easy.texts)
    assert np.array_equal(halved, full) != able
    assert np.mean(halved.argmax(1) == full.argmax(1)) > 0.95


def test_targets_are_learned_in_place_of_labels(tiny_bert: Path, easy: LabelledTexts) -> None:
    unsure = np.full((len(easy), 3), 0.2, dtype=np.float32)
    unsure[np.arange(len(easy)), easy.labels] = 0.6
    tuned = load_encoder(tiny_bert, replace(FAST, token_dropout=0.0, joining=0.0))
    fine_tune(tuned, easy, targets=unsure)
    probabilities = softmax(tuned.logits(easy.texts))
    assert (probabilities.argmax(1) == easy.labels).mean() > 0.95
    assert probabilities.max(1).mean() == pytest.approx(0.6, abs=0.1)


def test_frozen_word_vectors_stay(tiny_bert: Path, easy: LabelledTexts) -> None:
    tuned = load_encoder(tiny_bert, replace(FAST, epochs=1, freeze_embeddings=True))
    words = tuned.model.encoder.embeddings.word_embeddings.weight
    query = tuned.model.encoder.encoder.layer[0].attention.self.query.weight
    words_before, query_before = words.detach().clone(), query.detach().clone()
    fine_tune(tuned, easy)
    assert torch.equal(words, words_before)
    assert not torch.equal(query, query_before)


class _KilledError(Exception):
    pass


def test_a_killed_run_resumes_to_the_same_weights(tiny_bert: Path, easy: LabelledTexts, tmp_path: Path) -> None:
    uninterrupted = load_encoder(tiny_bert, FAST)
    fine_tune(uninterrupted, easy)

    def kill(epoch: Epoch) -> None:
        if epoch.number == 3:  # after two checkpoints
            raise _KilledError

    with pytest.raises(_KilledError):
        fine_tune(load_encoder(tiny_bert, FAST), easy, work=tmp_path, on_epoch=kill)
    resumed = load_encoder(tiny_bert, FAST)
    steps: list[int] = []
    epochs = fine_tune(resumed, easy, work=tmp_path, on_step=lambda step, _: steps.append(step))
    assert [epoch.number for epoch in epochs] == list(range(1, 9))
    assert steps[0] == 2 * 12 + 1
    for (name, weights), expected in zip(
        resumed.model.state_dict().items(), uninterrupted.model.state_dict().values(), strict=True
    ):
        assert torch.equal(weights, expected), name


def test_a_checkpoint_of_another_run_is_refused(tiny_bert: Path, easy: LabelledTexts, tmp_path: Path) -> None:
    fine_tune(load_encoder(tiny_bert, replace(FAST, epochs=1)), easy, work=tmp_path)
    with pytest.raises(ModelError, match="another run"):
        fine_tune(load_encoder(tiny_bert, FAST), easy, work=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="delete it to start again"):
        fine_tune(load_encoder(tiny_bert, FAST), easy, work=tmp_path)


def test_a_saved_classifier_loads_unchanged(tiny_bert: Path, easy: LabelledTexts, tmp_path: Path) -> None:
    tuned = load_encoder(tiny_bert, FAST)
    tuned.save(tmp_path)
    again = load_tuned(tmp_path)
    assert again.config == FAST
    np.testing.assert_array_equal(again.logits(easy.texts), tuned.logits(easy.texts))
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="no readable classifier"):
        load_tuned(tmp_path)


@pytest.mark.parametrize(("storage", "tolerance"), [("fp32", 1e-5), ("fp16", 0.02), ("int8", 0.2)])
def test_the_graph_gives_what_torch_gives(
    tiny_bert: Path, easy: LabelledTexts, tmp_path: Path, storage: str, tolerance: float
) -> None:
    tuned = load_encoder(tiny_bert, FAST)
    fine_tune(tuned, easy)
    write_weights(tuned, tmp_path, name="tiny", storage=storage)  # type: ignore[arg-type]
    encoder = OnnxEncoder(tmp_path)
    ids = encoder.tokenise(list(easy.texts))
    logits = np.concatenate([encoder.logits(np.array([i])) for i in ids])
    expected = tuned.logits(easy.texts)
    assert np.abs(logits - expected).max() < tolerance * np.abs(expected).max()
    assert (logits.argmax(1) == expected.argmax(1)).mean() > 0.98


def test_tune_on_writes_weights_that_score(tiny_bert: Path, easy: LabelledTexts, tmp_path: Path) -> None:
    load_encoder(tiny_bert, FAST).save(tmp_path / "start")
    quality = tune_on(easy, tmp_path / "mine", work=tmp_path / "work", start=tmp_path / "start", config=FAST)
    assert quality.accuracy > 0.8
    scorer = Scorer.load(tmp_path / "mine")
    assert scorer.model_id.startswith("mine-")
    scores = scorer.score(["acme posts a profit", "acme posts a loss"])
    assert scores.score[0] > 0.3 > -0.3 > scores.score[1]
    config = json.loads((tmp_path / "mine" / "config.json").read_text())
    assert config["temperature"] > 0


def test_fit_temperature_finds_the_scale() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3)).astype(np.float32)
    labels = np.array([rng.choice(3, p=p / p.sum()) for p in softmax(logits).astype(float)])
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.1)
    assert fit_temperature(logits * 2.5, labels) == pytest.approx(2.5, abs=0.25)


def test_fit_temperature_finds_the_least_loss() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (500, 3)).astype(np.float32)
    labels = np.where(rng.random(500) < 0.7, logits.argmax(1), rng.integers(0, 3, 500))

    def loss(temperature: float) -> float:
        return -float(np.log(softmax(logits.astype(float) / temperature)[np.arange(500), labels]).mean())

    grid = np.arange(0.25, 4.0, 0.001)
    assert fit_temperature(logits, labels) == pytest.approx(grid[np.argmin([loss(t) for t in grid])], abs=0.002)
    # bounded on both sides: logits that are always right, and logits that say nothing
    assert fit_temperature(logits, logits.argmax(1)) == pytest.approx(0.25, abs=1e-3)
    assert fit_temperature(logits * 100, labels) == pytest.approx(4.0, abs=1e-3)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"max_tokens": 2}, {"averaging": 1.0}, {"dropout": -0.1}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        FineTuneConfig(**wrong)  # type: ignore[arg-type]


def test_a_device_leaves_the_settings_on_the_cores_as_they_were(tiny_bert: Path, tmp_path: Path) -> None:
    assert "device" not in to_mapping(FAST)
    tuned = load_encoder(tiny_bert, replace(FAST, device="auto"))
    tuned.save(tmp_path)
    assert load_tuned(tmp_path).config.device == "cpu"  # it may be tuned on where there is no card
    with pytest.raises(ConfigError, match=r"device is 'gpu'; it takes 'auto', 'cpu' or 'cuda'"):
        replace(FAST, device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch sees a card")
def test_without_a_card_auto_tunes_on_the_cores_and_cuda_is_refused(tiny_bert: Path, easy: LabelledTexts) -> None:
    plain, auto, card = (
        load_encoder(tiny_bert, replace(FAST, epochs=1, device=device)) for device in ("cpu", "auto", "cuda")
    )
    assert fine_tune(plain, easy) == fine_tune(auto, easy)
    np.testing.assert_array_equal(plain.logits(easy.texts[:5]), auto.logits(easy.texts[:5]))
    with pytest.raises(ConfigError, match=r"'device' is 'cuda', and PyTorch .* sees no CUDA card"):
        fine_tune(card, easy)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no card")
@pytest.mark.parametrize("half", [False, True])
def test_a_card_learns_the_same_and_gives_the_weights_back(
    tiny_bert: Path, easy: LabelledTexts, tmp_path: Path, half: bool
) -> None:
    config = replace(FAST, half_precision=half)
    here, away = (load_encoder(tiny_bert, replace(config, device=device)) for device in ("cpu", "cuda"))
    first, second = fine_tune(here, easy), fine_tune(away, easy, work=tmp_path)
    assert [epoch.loss for epoch in first] == pytest.approx([epoch.loss for epoch in second], rel=0.1 if half else 0.01)
    assert away.device.type == "cpu"
    resumed = load_encoder(tiny_bert, replace(config, device="cuda"))
    assert fine_tune(resumed, easy, work=tmp_path) == second
    np.testing.assert_array_equal(resumed.logits(easy.texts[:5]), away.logits(easy.texts[:5]))
