"""Builds the ONNX graph of a policy node by node, and runs it without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenor.errors import ModelError
from tenor.schema import Float32, Float64

OPSET = 17


def policy_graph(networks: Sequence[tuple[Mapping[str, Float32], bool]]) -> bytes:
    """The graph from ``seen`` [account, symbol, number] to ``actions`` [account, symbol], the mean over `networks`.

    Parameters
    ----------
    networks
        For each seed: the weights as in `tenor.trading.rl.policy.Network`, and whether the output goes through a tanh.

    Returns
    -------
    bytes
        The ONNX file.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, ends = [], [], []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    nodes.append(helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[1], keepdims=1))
    nodes.append(helper.make_node("Shape", ["seen"], ["shape"]))
    nodes.append(helper.make_node("Expand", ["mean", "shape"], ["spread"]))
    nodes.append(helper.make_node("Concat", ["seen", "spread"], ["both"], axis=2))
    last = constant("last", np.array([2], dtype=np.int64))
    low, high = (constant(name, np.array(value, dtype=np.float32)) for name, value in (("low", -1), ("high", 1)))
    for i, (weights, squash) in enumerate(networks):
        flow = "both"
        for layer in ("first", "second", "action"):
            matrix = constant(f"{i}.{layer}.weight", weights[f"{layer}.weight"].T)
            bias = constant(f"{i}.{layer}.bias", weights[f"{layer}.bias"])
            nodes.append(helper.make_node("MatMul", [flow, matrix], [f"{i}.{layer}.product"]))
            nodes.append(helper.make_node("Add", [f"{i}.{layer}.product", bias], [f"{i}.{layer}.sum"]))
            flow = f"{i}.{layer}.sum"
            if layer != "action":
                nodes.append(helper.make_node("Tanh", [flow], [f"{i}.{layer}.tanh"]))
                flow = f"{i}.{layer}.tanh"
        ended = f"{i}.ended"
        nodes.append(
            helper.make_node("Tanh", [flow], [ended])
            if squash
            else helper.make_node("Clip", [flow, low, high], [ended])
        )
        ends.append(ended)
    nodes.append(helper.make_node("Mean", ends, ["cells"]))
    nodes.append(helper.make_node("Squeeze", ["cells", last], ["actions"]))
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["account", "symbol", "number"])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, ["account", "symbol"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def run_graph(graph: bytes, seen: Float32) -> Float64:
    """Actions [account, symbol] of the policy in `graph`; raises ModelError if it can't be run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        (actions,) = session.run(["actions"], {"seen": seen})
    except Exception as error:
        raise ModelError(f"the policy's graph can't be run ({str(error)[:200]}): train it again.") from error
    return np.asarray(actions, dtype="float64")
