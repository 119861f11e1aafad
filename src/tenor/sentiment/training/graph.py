"""A tuned BERT classifier as an ONNX graph of plain operators, its matrices stored as int8 (or as they are).

Why node by node and not `torch.onnx.export` with a quantiser (docs/decisions/0003): a traced graph is float32, four
times the size, and dynamic quantisation scales activations by the whole batch, so that a text's score depends on its
neighbours. Here int8 matrices are turned back to float32 when the session starts, and activations stay float32. There
is no mask either, as batches hold texts of one token count and nothing is padding; and `graph_weights` can read the
weights back by name, from which users tune on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Storage = Literal["fp32", "fp16", "int8"]
_OPSET = 20  # the first with Gelu as one operator


@dataclass(frozen=True)
class Shape:
    """The dimensions of a BERT that its weights do not show."""

    layers: int
    heads: int
    layer_norm_eps: float


def bert_graph(weights: Mapping[str, npt.NDArray[np.float32]], shape: Shape, storage: Storage = "int8") -> bytes:
    """The classifier as a serialised ONNX model: ``input_ids`` int64 ``[batch, token]`` -> ``logits`` ``[batch, 3]``.

    Its second output, ``embedding`` ``[batch, layers x units]``, is what kinds of news are read from: the means over
    the tokens of the word vectors and of the states after each layer but the last, of the same pass. The last layer is
    tuned for sentiment and knows less of what a text is about (docs/decisions/0026).

    Parameters
    ----------
    weights
        Tensors by the names of `tenor.sentiment.training.classifier.Classifier`.
    shape
        Layers, heads and the epsilon of the layer norms.
    storage
        How matrices lie in the file. ``int8`` keeps a scale a column (a row of the word vectors) and is turned back
        to float32 when the session starts: activations stay float32, so a text's score can't depend on the texts that
        share its batch.
    """
    builder = _Builder(weights, storage)
    states = builder.embeddings(shape)
    after: dict[int, str] = {0: states}
    for layer in range(shape.layers):
        states = builder.layer(states, f"encoder.encoder.layer.{layer}.", shape)
        after[layer + 1] = states
    tokens = builder.constant(np.array([1]))
    mean = builder.node("ReduceMean", [states, tokens], keepdims=0)
    logits = builder.linear(mean, "head.", exact=True)  # 3 columns: nothing to save
    builder.node("Identity", [logits], output="logits")
    means = [
        builder.node("ReduceMean", [after[layer], tokens], keepdims=0, output=f"embedding.{layer}")
        for layer in range(shape.layers)
    ]
    builder.node("Concat", means, axis=1, output="embedding")
    width = len(means) * len(weights["encoder.embeddings.LayerNorm.bias"])
    graph = helper.make_graph(
        builder.nodes,
        "bert_classifier",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "token"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(weights["head.bias"])]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width]),
        ],
        builder.initializers,
    )
    operators = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=operators, producer_name="tenor", ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


class _Builder:
    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]], storage: Storage) -> None:
        self.weights, self.storage = weights, storage
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: npt.NDArray[Any], name: str = "") -> str:
        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def matrix(self, value: npt.NDArray[np.float32], name: str) -> str:
        """A float32 ``[in, out]`` matrix in the graph, whatever it is stored as."""
        if self.storage == "fp32":
            return self.constant(value, name)
        if self.storage == "fp16":
            return self.node("Cast", [self.constant(value.astype(np.float16), name)], to=TensorProto.FLOAT)
        whole, scale = quantise(value, axis=0)
        small = self.node("Cast", [self.constant(whole, name)], to=TensorProto.FLOAT)
        return self.node("Mul", [small, self.constant(scale, name + ".scale")])

    def linear(self, states: str, name: str, *, exact: bool = False) -> str:
        value = self.weights[name + "weight"].T
        matrix = self.constant(value, name + "weight") if exact else self.matrix(value, name + "weight")
        product = self.node("MatMul", [states, matrix])
        return self.node("Add", [product, self.constant(self.weights[name + "bias"], name + "bias")])

    def norm(self, states: str, name: str, shape: Shape) -> str:
        scale = self.constant(self.weights[name + "weight"], name + "weight")
        bias = self.constant(self.weights[name + "bias"], name + "bias")
        return self.node("LayerNormalization", [states, scale, bias], epsilon=shape.layer_norm_eps)

    def rows(self, value: npt.NDArray[np.float32], name: str) -> str:
        """The rows ``input_ids`` of an embedding table; only those rows are turned back to float32, at each run."""
        if self.storage == "fp32":
            return self.node("Gather", [self.constant(value, name), "input_ids"])
        if self.storage == "fp16":
            rows = self.node("Gather", [self.constant(value.astype(np.float16), name), "input_ids"])
            return self.node("Cast", [rows], to=TensorProto.FLOAT)
        whole, scale = quantise(value, axis=1)
        rows = self.node("Gather", [self.constant(whole, name), "input_ids"])
        scales = self.node("Gather", [self.constant(scale, name + ".scale"), "input_ids"])
        return self.node("Mul", [self.node("Cast", [rows], to=TensorProto.FLOAT), scales])

    def embeddings(self, shape: Shape) -> str:
        name = "encoder.embeddings."
        words = self.rows(self.weights[name + "word_embeddings.weight"], name + "word_embeddings.weight")
        # one segment only: its vector is added to every position beforehand
        segment = self.weights[name + "token_type_embeddings.weight"][0]
        places = self.weights[name + "position_embeddings.weight"] + segment
        tokens = self.node("Shape", ["input_ids"], start=1, end=2)
        place = self.node(
            "Slice", [self.constant(places, name + "position_embeddings.weight"), self.constant(np.array([0])), tokens]
        )
        return self.norm(self.node("Add", [words, place]), name + "LayerNorm.", shape)

    def layer(self, states: str, name: str, shape: Shape) -> str:
        width = len(self.weights[name + "attention.self.query.bias"])
        mixed = self.attention(states, name + "attention.self.", width, shape.heads)
        attended = self.linear(mixed, name + "attention.output.dense.")
        states = self.norm(self.node("Add", [attended, states]), name + "attention.output.LayerNorm.", shape)
        inner = self.node("Gelu", [self.linear(states, name + "intermediate.dense.")])
        outer = self.linear(inner, name + "output.dense.")
        return self.norm(self.node("Add", [outer, states]), name + "output.LayerNorm.", shape)

    def attention(self, states: str, name: str, width: int, heads: int) -> str:
        parts = ("query", "key", "value")
        # one product instead of three
        together = np.concatenate([self.weights[f"{name}{p}.weight"].T for p in parts], axis=1)
        bias = np.concatenate([self.weights[f"{name}{p}.bias"] for p in parts])
        product = self.node("MatMul", [states, self.matrix(together, name + "weight")])
        projected = self.node("Add", [product, self.constant(bias, name + "bias")])  # [b, t, 3 d]
        split = [f"{name}{part}" for part in parts]
        self.nodes.append(helper.make_node("Split", [projected], split, axis=-1, num_outputs=3))
        by_head = self.constant(np.array([0, 0, heads, width // heads]))  # 0 keeps a dimension: [b, t, h, d / h]
        query = self.node("Transpose", [self.node("Reshape", [split[0], by_head])], perm=[0, 2, 1, 3])  # b h t d
        key = self.node("Transpose", [self.node("Reshape", [split[1], by_head])], perm=[0, 2, 3, 1])  # b h d t
        value = self.node("Transpose", [self.node("Reshape", [split[2], by_head])], perm=[0, 2, 1, 3])  # b h t d
        query = self.node("Mul", [query, self.constant(np.array([(width // heads) ** -0.5], dtype=np.float32))])
        weights = self.node("Softmax", [self.node("MatMul", [query, key])], axis=-1)  # [b, h, t, t]
        mixed = self.node("Transpose", [self.node("MatMul", [weights, value])], perm=[0, 2, 1, 3])
        return self.node("Reshape", [mixed, self.constant(np.array([0, 0, width]))])


def graph_weights(graph: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """The weights that `bert_graph` was given, by the same names, as exact as they were stored.

    The vector of the first segment stays in those of the positions; the one of the segment itself is zero.
    """
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(graph).graph.initializer}
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for name, value in stored.items():
        if name.startswith("constant_") or name.endswith(".scale"):
            continue
        whole = value.astype(np.float32) * stored.get(name + ".scale", np.float32(1))
        if "attention.self." in name:
            # query, key and value are one matrix in the graph: [in, 3 out], or a bias [3 out]
            prefix, _, kind = name.rpartition(".")
            for part, third in zip(("query", "key", "value"), np.split(whole, 3, axis=-1), strict=True):
                weights[f"{prefix}.{part}.{kind}"] = np.ascontiguousarray(third.T)
        else:
            linear = whole.ndim == 2 and "embeddings" not in name
            weights[name] = np.ascontiguousarray(whole.T) if linear else whole
    width = len(weights["encoder.embeddings.LayerNorm.bias"])
    weights["encoder.embeddings.token_type_embeddings.weight"] = np.zeros((2, width), dtype=np.float32)
    return weights


def quantise(value: npt.NDArray[np.float32], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 of a matrix with one scale for each slice along `axis`; ``whole * scale`` gives it back."""
    scale = np.abs(value).max(axis=axis, keepdims=True) / 127
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    return np.rint(value / scale).astype(np.int8), scale
