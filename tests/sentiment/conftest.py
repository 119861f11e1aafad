"""A tiny BERT with a vocabulary of its own, random weights, and a few clear-cut sentences to learn."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest

from tenor.sentiment.training.labelled import LabelledTexts

GOOD = ("profit", "gain", "record", "growth")
BAD = ("loss", "fraud", "slump", "default")
PLAIN = ("meeting", "office", "report", "date")
FIRMS = ("acme", "globex", "initech", "umbrella")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Models this small only wait for each other on more threads."""
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT of 2 layers and 16 hidden units: config, weights, fast tokenizer, no head."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny-bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "##s", "a", "the", "of", "posts", "sets", *GOOD, *BAD, *PLAIN, *FIRMS]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "pad_token": "[PAD]"})
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def easy() -> LabelledTexts:
    """192 sentences that one word decides."""
    texts, labels = [], []
    for firm in FIRMS:
        for verb in ("posts", "sets"):
            for article in ("a", "the"):
                for label, words in enumerate((GOOD, PLAIN, BAD)):
                    for word in words:
                        texts.append(f"{firm} {verb} {article} {word}")
                        labels.append(label)
    return LabelledTexts(tuple(texts), np.array(labels, dtype=np.int64), "easy")
