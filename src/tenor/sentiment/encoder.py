"""Encoders: they turn token ids into logits. The default one runs on ONNX Runtime, with the weights in this package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tenor.errors import ConfigError, ModelError, did_you_mean
from tenor.sentiment.denials import put_denials_as_change
from tenor.sentiment.numbers_in_text import mark_numbers
from tenor.sentiment.scores import LABELS
from tenor.storage.files import read_json

SHIPPED = Path(__file__).parent / "weights"
CONFIG = "config.json"
WEIGHTS_FORMAT = 3
CARD = "CUDAExecutionProvider"
"""The name of a CUDA card (GPU) in ONNX Runtime."""
_FORMATS = (2, WEIGHTS_FORMAT)  # 2 gives no embedding: sentiment as before, but no kinds

Ids = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float32]

_SYNONYMS = {
    "positive": "positive", "pos": "positive", "bullish": "positive",
    "neutral": "neutral", "neu": "neutral",
    "negative": "negative", "neg": "negative", "bearish": "negative",
}  # fmt: skip


class Encoder(Protocol):
    """Anything that gives logits for the three classes of `LABELS`, in their order."""

    @property
    def model_id(self) -> str:
        """The name of the weights, used as the key in the cache of scores."""

    @property
    def device(self) -> str:
        """``cuda`` if it runs on a card, which takes larger batches; else ``cpu``."""

    @property
    def temperature(self) -> float:
        """Logits are divided by it before the softmax."""

    def reading(self, text: str) -> str:
        """A cleaned text after the encoder's own rewording; two texts with the same reading get the same score."""

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Token ids of cleaned texts, each cut to the longest input of the encoder."""

    def logits(self, ids: Ids) -> Logits:
        """Logits ``[batch, 3]`` of ids ``[batch, token]``; all texts of a batch have the same number of tokens."""

    def outputs(self, ids: Ids) -> tuple[Logits, Embeddings]:
        """The same logits and the embeddings ``[batch, width]``, from one pass."""

    @property
    def kinds_file(self) -> Path | None:
        """The file of the classifier for kinds of news that came with the weights, checked; None if there is none."""


class OnnxEncoder:
    """The encoder in a folder that `tenor.sentiment.training.export.write_weights` wrote; the SHA-256 is checked.

    Parameters
    ----------
    folder
        Holds ``config.json``, ``model.onnx`` and ``tokenizer.json``.
    threads
        Number of CPU cores for a batch.
    device
        ``cpu``; ``cuda`` for a card (GPU); ``auto`` for a card if the package ``onnxruntime-gpu`` finds one, else CPU.

    Raises
    ------
    ModelError
        A file is missing or was changed (the message names it), or onnxruntime is not installed.
    ConfigError
        `device` is ``cuda``, and ONNX Runtime sees no card.
    """

    def __init__(self, folder: Path = SHIPPED, *, threads: int = 1, device: str = "cpu") -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise ModelError(f"{error.name} is not installed: pip install 'tenor[sentiment]'.") from None
        config = _read_config(folder)
        files = {name: _checked(folder / name, digest) for name, digest in config["files"].items()}
        order = label_order(dict(enumerate(config["labels"])), str(folder / CONFIG))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        kinds = config.get("kinds")
        if kinds is not None:
            _checked(folder / kinds["file"], kinds["sha256"])
        self._kinds_file = None if kinds is None else folder / kinds["file"]
        self._session: Any = _session(onnxruntime, files["model.onnx"], options, device)
        self._tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(config["max_tokens"]))
        self._embeds = "embedding" in {output.name for output in self._session.get_outputs()}
        self._folder = folder
        self._order = order
        self._temperature = float(config["temperature"])
        self._model_id = f"{config['name']}-{_fingerprint(config)}"

    @property
    def model_id(self) -> str:
        """The model's name and a hash of its files."""
        return self._model_id

    @property
    def device(self) -> str:
        """``cuda`` if a card computes the scores, else ``cpu``."""
        return "cuda" if CARD in self._session.get_providers() else "cpu"

    @property
    def temperature(self) -> float:
        """The logits are divided by it; fitted on validation sentences when the weights were written."""
        return self._temperature

    def reading(self, text: str) -> str:
        """`text` with denials reworded (`put_denials_as_change`)."""
        return put_denials_as_change(text)

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Token ids of cleaned texts, as the network reads them (`as_read`)."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch([as_read(text) for text in texts])]

    def logits(self, ids: Ids) -> Logits:
        """Logits ``[batch, 3]`` of ids ``[batch, token]``."""
        (logits,) = self._session.run(["logits"], {"input_ids": ids})
        ordered: Logits = logits[:, self._order]
        return ordered

    def outputs(self, ids: Ids) -> tuple[Logits, Embeddings]:
        """Logits ``[batch, 3]`` and embeddings ``[batch, width]`` of ids ``[batch, token]``, from one pass.

        Raises
        ------
        ModelError
            The weights are of format 2, which gives no embedding.
        """
        if not self._embeds:
            raise ModelError(
                f"the weights in {self._folder} are of format 2, which gives sentiment and no embedding: tune them "
                "again with this version for the kinds of news, or leave the kinds out."
            )
        logits, embeddings = self._session.run(["logits", "embedding"], {"input_ids": ids})
        return logits[:, self._order], embeddings

    @property
    def kinds_file(self) -> Path | None:
        """The classifier's file named in ``config.json``, its SHA-256 checked; None if no file is named."""
        return self._kinds_file


def _session(onnxruntime: Any, graph: bytes, options: Any, device: str) -> Any:
    """A session on a card where `device` wants one and there is one, else on the cores."""
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and CARD in onnxruntime.get_available_providers():
        # without a card, or its libraries, ONNX Runtime falls back to the cores by itself
        providers.insert(0, CARD)
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    if device == "cuda" and CARD not in session.get_providers():
        raise ConfigError(
            f"config key 'sentiment.device' is 'cuda', and ONNX Runtime {onnxruntime.__version__} uses no CUDA card "
            "here: set 'auto' or 'cpu', or install onnxruntime-gpu instead of onnxruntime, with CUDA and cuDNN."
        )
    return session


def as_read(text: str) -> str:
    """A cleaned text as tenor's network reads it: denials reworded, compared numbers marked as up or down."""
    return mark_numbers(put_denials_as_change(text))


def label_order(names: dict[int, str], where: str) -> list[int]:
    """The columns of a model's logits in the order of `LABELS`.

    Parameters
    ----------
    names
        The model's own label of each column; ``bullish``/``bearish`` and short forms are understood.
    where
        The model or file, named in error messages.

    Raises
    ------
    ModelError
        There are not exactly three labels, or the meaning of one is unknown. The order is never guessed.
    """
    if len(names) != len(LABELS):
        raise ModelError(
            f"{where} has {len(names)} labels ({', '.join(names.values())}), not 3: "
            "give a model for positive, neutral and negative."
        )
    columns: dict[str, int] = {}
    for column, name in names.items():
        label = _SYNONYMS.get(name.strip().lower())
        if label is None:
            hint = did_you_mean(name, LABELS) or f" Name its labels {', '.join(LABELS)} in id2label."
            raise ModelError(f"{where} calls a label {name!r}, which has no known meaning.{hint}")
        columns[label] = column
    if len(columns) != len(LABELS):
        raise ModelError(f"{where} has two labels of the same meaning: {', '.join(names.values())}.")
    return [columns[label] for label in LABELS]


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = read_json(path.read_text(encoding="utf-8"))
        complete = {"format", "name", "labels", "temperature", "max_tokens", "files"} <= set(config)
        complete = complete and {"model.onnx", "tokenizer.json"} <= set(config["files"]) and config["temperature"] > 0
    except FileNotFoundError:
        raise ModelError(f"{path} is not there: reinstall tenor, or give a folder of weights.") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} can't be read: {error}; reinstall tenor or write the weights again.") from None
    complete = complete and _described(config.get("kinds", {"file": "", "sha256": ""}))
    if not complete or config["format"] not in _FORMATS:
        raise ModelError(
            f"{path} does not describe weights of format {WEIGHTS_FORMAT}: write them again with this version."
        )
    return dict(config)


def _described(kinds: Any) -> bool:
    """Whether `kinds` names a file beside the config and its checksum."""
    return (
        isinstance(kinds, dict)
        and all(isinstance(kinds.get(key), str) for key in ("file", "sha256"))
        and Path(kinds["file"]).name == kinds["file"]
    )


def _checked(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} can't be read ({error.strerror}): reinstall tenor or write the weights again."
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(
            f"{path} is truncated or changed: its SHA-256 is not the one in {CONFIG} ({len(content)} bytes found). "
            "Reinstall tenor or write the weights again."
        )
    return content


def _fingerprint(config: dict[str, Any]) -> str:
    # not `content_key`: the embedded sentiment names the model that scored it by this hash
    described = {key: config[key] for key in ("labels", "temperature", "max_tokens")}
    # "logits_of" names the graph whose logits this one gives to the bit (it only has an output more): scores stored
    # under that graph's id stay valid. A test takes the output away again and compares the SHA-256.
    described["files"] = {**config["files"], **config.get("logits_of", {})}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
