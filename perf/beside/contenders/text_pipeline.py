"""A text classification pipeline of transformers, on torch or, through optimum, on ONNX Runtime."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from text_flops import flops
from worker import Run, serve

LONGEST = 128
LEAST_EQUAL = 0.99


def prepare(arguments: dict[str, Any]) -> Run:
    """Load the model, with the same weights, and each so many-th text."""
    import torch
    from transformers import PreTrainedTokenizerFast, logging, pipeline

    logging.set_verbosity(logging.CRITICAL)  # it warns at length of a class that is not its own
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    folder = Path(arguments["folder"])
    read = json.loads((folder / "read.json").read_text(encoding="utf-8"))
    every = slice(None, None, arguments.get("every", 1))
    texts, labels = read["texts"][every], read["labels"][every]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), model_max_length=LONGEST, pad_token="[PAD]",  # noqa: S106
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    model = on_onnx_runtime(folder) if arguments.get("onnx") else on_torch(folder)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    encoder = None
    if "encoder" in arguments:
        from sentence_transformers import SentenceTransformer

        encoder = SentenceTransformer(arguments["encoder"], device="cpu")
    work = {"work": len(texts), "flops": flops(read["tokens"][every])}

    def run() -> dict[str, Any]:
        results = classify(texts, batch_size=arguments["batch"], truncation=True, max_length=LONGEST)
        equal = sum(one["label"] == label for one, label in zip(results, labels, strict=True)) / len(texts)
        if equal < LEAST_EQUAL:
            raise ValueError(f"only {equal:.1%} of the labels are tenor's: these are not the same weights")
        if encoder is not None:
            encoder.encode(texts, batch_size=arguments["batch"], show_progress_bar=False)
        return work | {"equal": equal}

    return run


def on_torch(folder: Path) -> Any:
    """BERT, the mean over its tokens and a linear layer, which no class of transformers has ready."""
    import torch
    from transformers import BertConfig, BertModel, BertPreTrainedModel
    from transformers.modeling_outputs import SequenceClassifierOutput

    class MeanClassifier(BertPreTrainedModel):
        def __init__(self, config: BertConfig) -> None:
            super().__init__(config)
            self.encoder = BertModel(config, add_pooling_layer=False)
            self.head = torch.nn.Linear(config.hidden_size, config.num_labels)
            self.post_init()

        def forward(self, input_ids: Any, attention_mask: Any, **_: Any) -> SequenceClassifierOutput:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            return SequenceClassifierOutput(logits=self.head((states * mask).sum(1) / mask.sum(1)))

    return MeanClassifier.from_pretrained(folder).eval()


def on_onnx_runtime(folder: Path) -> Any:
    """The same, as optimum loads a graph."""
    from onnxruntime import SessionOptions
    from optimum.onnxruntime import ORTModelForSequenceClassification

    options = SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    return ORTModelForSequenceClassification.from_pretrained(folder, session_options=options)


if __name__ == "__main__":
    serve(prepare)
