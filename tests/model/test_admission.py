"""What a user's network is refused for before it is trained, each with the message that says why and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from networks import FORWARD, HEADER, INIT, WHOLE, changed, own

from tenor.config import ModelConfig
from tenor.errors import ConfigError
from tenor.model import make_network
from tenor.model.admission import admit

EXAMPLES = Path(__file__).parents[2] / "examples" / "networks"
RETURN = '        return {"log_variance": risk, "mean": mean, "up_logit": up}\n'
INPUTS = "        h = torch.tanh(self.inputs(x))\n"


def admitted(config: ModelConfig) -> None:
    admit(config, 5, 2, sessions=120)


def refused(text: str, folder: Path, **keys: object) -> str:
    with pytest.raises(ConfigError) as caught:
        admitted(own(folder, text, **keys))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_network_that_can_be_used_is_admitted_and_leaves_no_trace(tmp_path: Path) -> None:
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    admitted(own(tmp_path))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "change",
    [
        ("self.width = n_horizons", "self.unused = torch.randn(6)"),
        ("nn.Linear(n_features, 6)", "nn.LazyLinear(6)"),  # made by its first run
        ("nn.Linear(6, 3 * n_horizons)", "nn.Linear(6, 3 * n_horizons).requires_grad_(False)"),
        ("torch.tanh", "functional.dropout(torch.ones(()), 0.5, self.training) * torch.tanh"),
    ],
)
def test_what_does_no_harm_is_admitted(change: tuple[str, str], tmp_path: Path) -> None:
    admitted(own(tmp_path, changed(change)))


@pytest.mark.parametrize("name", ["gru.py:GRU", "tcn.py:TCN", "transformer.py:Transformer"])
def test_the_examples_are_admitted(name: str) -> None:
    admitted(ModelConfig(network=f"{EXAMPLES}/{name}"))


def test_tenors_own_network_is_not_asked() -> None:
    admitted(ModelConfig())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # looking ahead
        (("batch_first=True", "batch_first=True, bidirectional=True"), "raised RuntimeError: mat1 and mat2"),
        (("(self.inputs(x))", "(self.inputs(x)).flip(1)"), r"looks ahead: '\w+' at session \d+ changes when sessions"),
        (("(self.inputs(x))", "(self.inputs(x).roll(-1, 1))"), "looks ahead"),
        (("(self.inputs(x))", "(self.inputs(x) - x.mean(1, keepdim=True)[..., :1])"), "looks ahead"),
        (("(self.inputs(x))", "(self.inputs(x) / x.shape[1])"), "looks ahead"),
        (
            ("(self.inputs(x))", "(self.inputs(x) + 1e-4 * self.inputs(x.roll(-252 % x.shape[1], 1)))"),
            "looks ahead",
        ),
        ((INPUTS, "        h = self.inputs(x).softmax(1)\n"), "looks ahead"),
        # rows of a batch
        (
            ("(self.inputs(x))", "(self.inputs(x) - x.mean(0)[None, :, :1])"),
            r"mixes symbols: '\w+' of one changes when",
        ),
        (("(self.inputs(x))", "(self.inputs(x) / x.shape[0])"), "mixes symbols"),
        # outputs
        (
            ("self.out = nn.Linear(6, 3 * n_horizons)", "self.out = nn.Linear(6, 3 * n_horizons + 3)"),
            r"returns 'log_variance' of shape \[1, 2, 3\] for x \[1, 2, 6\]; it has to be \[batch, time, horizons\], ",
        ),
        ((RETURN, RETURN.replace("risk,", "risk[:, -1],")), r"returns 'log_variance' of shape \[1, 2\] for x"),
        (
            (RETURN, RETURN.replace("mean,", "mean.double(),")),
            "returns 'mean' as float64; it has to be float32: add .float",
        ),
        ((RETURN, RETURN.replace("mean,", "mean > 0,")), "returns 'mean' as bool; it has to be float32"),
        (
            (RETURN, RETURN.replace("mean,", "mean.tolist(),")),
            r"returns a list as 'mean'; it has to be a tensor \[batch",
        ),
        ((RETURN, RETURN.replace("up_logit", "up")), "returns the head 'up'; heads are mean, up_logit, log_variance"),
        (
            (RETURN, RETURN.replace('"log_variance": risk, ', "")),
            "and no 'log_variance'; intervals and quantiles come from",
        ),
        ((RETURN, "        return {}\n"), "returns no head and no 'log_variance'"),
        ((RETURN, "        return risk\n"), "returns a Tensor; forward returns a dict of heads"),
        ((RETURN, "        return None\n"), "returns None; forward returns a dict of heads"),
        ((RETURN, "        return (risk, mean, up)\n"), "returns a tuple; forward returns a dict of heads"),
        (
            (RETURN, RETURN.replace("risk,", "risk + x[..., -1:].log(),")),
            "gives -infinity as 'log_variance' before any train",
        ),
        (
            (RETURN, RETURN.replace("risk,", "risk + x[..., :1].sqrt(),")),
            "gives NaN as 'log_variance' before any training",
        ),
        ((RETURN, RETURN.replace("}", ', "time_weights": risk}')), "returns one of time_weights and feature_weights"),
        (
            (RETURN, "        raise ValueError('too wide')\n"),
            r"raised ValueError: too wide \(mine.py, line \d+\) on x \[1, 2",
        ),
        # evaluation mode
        (
            ("(self.inputs(x))", "(functional.dropout(self.inputs(x), 0.5))"),
            "gives another '.*' each time in evaluation mode",
        ),
        (("(self.inputs(x))", "(self.inputs(x) + torch.rand(1))"), "each time in evaluation mode"),
        # gradients
        ((RETURN, RETURN.replace("mean,", "mean.detach(),")), "gives 'mean' without a gradient to any parameter"),
        (
            (RETURN, RETURN.replace("mean,", "torch.zeros_like(mean),")),
            "gives 'mean' without a gradient to any parameter",
        ),
        ((RETURN, RETURN.replace("mean,", "0 * mean,")), "gives 'mean' without a gradient to any parameter"),
        # the constructor
        (
            ("config, n_features, n_horizons)", "n_features, n_horizons)"),
            r"can't be called as Net\(config, n_features, n_horizons\): too many positional arguments. Write its",
        ),
        (
            ("n_horizons)", "n_horizons, width)"),
            r"missing a required argument: 'width'. Write its constructor so; keywords",
        ),
        (
            ("self.width = n_horizons", "self.width = n_horizons / 0"),
            r"raised ZeroDivisionError: .* \(mine.py, line 9\) when",
        ),
        (("class Net(nn.Module)", "class Net"), "is the class Net; it has to be a class that extends torch.nn.Module"),
        (("        super().__init__()\n", ""), "raised AttributeError: cannot assign module before Module.__init__"),
        # what is saved
        (("nn.Linear(n_features, 6)", "nn.Linear(n_features, 6).double()"), "raised RuntimeError: "),
    ],
)
def test_what_is_refused_is_named(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    text = refused(changed(change), tmp_path)
    assert text.startswith(("network mine.py:Net ", "mine.py "))
    assert re.search(message, text), text


def test_a_later_session_is_seen_through_a_head_that_starts_at_zero(tmp_path: Path) -> None:
    zero = changed(
        (
            "        self.out = nn.Linear(6, 3 * n_horizons)\n",
            "        self.out = nn.Linear(6, 3 * n_horizons)\n        nn.init.zeros_(self.out.weight)\n",
        ),
        ("(self.inputs(x))", "(self.inputs(x).roll(-1, 1))"),
    )
    assert "looks ahead" in refused(zero, tmp_path)


def test_batch_norm_is_refused_for_what_it_does_in_training(tmp_path: Path) -> None:
    normed = changed(
        ("self.width = n_horizons", "self.norm = nn.BatchNorm1d(n_features)"),
        ("self.inputs(x)", "self.inputs(self.norm(x.transpose(1, 2)).transpose(1, 2))"),
    )
    message = refused(normed, tmp_path)
    assert re.search(r"looks ahead: '\w+' at session \d+ changes in training mode when sessions after", message)
    assert "no BatchNorm (LayerNorm over features is fine)" in message


def test_symbols_that_are_mixed_in_training_alone_are_noticed(tmp_path: Path) -> None:
    mixed = changed(("(self.inputs(x))", "(self.inputs(x - x.mean(0, keepdim=True) if self.training else x))"))
    assert "mixes symbols: 'log_variance' of one changes in training mode" in refused(mixed, tmp_path)


def test_a_network_that_counts_its_runs_is_refused(tmp_path: Path) -> None:
    counting = changed(
        ("self.width = n_horizons", "self.register_buffer('runs', torch.zeros(()))"),
        (INPUTS, "        self.runs += 1\n" + INPUTS),
    )
    assert "changes its 'runs' when it predicts" in refused(counting, tmp_path)


def test_a_network_without_parameters_is_refused(tmp_path: Path) -> None:
    bare = (
        HEADER
        + INIT.replace("nn.Linear(n_features, 6)", "None")
        .replace("nn.LSTM(6, 6, batch_first=True)", "None")
        .replace("nn.Linear(6, 3 * n_horizons)", "None")
        + ('    def forward(self, x):\n        return {"log_variance": x[..., :1].expand(-1, -1, self.width)}\n')
    )
    assert "has no parameter to train: make its layers in __init__" in refused(bare, tmp_path)


def test_first_weights_from_another_generator_are_refused(tmp_path: Path) -> None:
    drawn = "import numpy as np\n" + changed(
        ("        self.width = n_horizons\n", ""),
        (
            "self.out = nn.Linear(6, 3 * n_horizons)",
            (
                "self.out = nn.Linear(6, 3 * n_horizons)\n"
                "        self.out.weight.data += float(np.random.default_rng().normal())"
            ),
        ),
    )
    assert "starts with another 'out.weight' each time it is made" in refused(drawn, tmp_path)


def test_what_training_keeps_outside_of_torch_is_refused(tmp_path: Path) -> None:
    counting = changed(
        ("self.width = n_horizons", "self.seen = 0.0"),
        (INPUTS, "        self.seen += 0.1 * self.training\n        h = torch.tanh(self.inputs(x) + self.seen)\n"),
    )
    assert "for the same input and random numbers in training mode" in refused(counting, tmp_path)
    drawing = "import numpy as np\n" + changed(
        (INPUTS, "        h = torch.tanh(self.inputs(x) + self.training * float(np.random.normal()))\n")
    )
    assert "draw from torch's generator, and keep nothing from run to run" in refused(drawing, tmp_path)


def test_a_seed_of_its_own_is_refused_and_the_file_s_draws_and_types_stay_its_own(tmp_path: Path) -> None:
    seeded = changed(("self.width = n_horizons", "torch.manual_seed(1)"))
    assert "sets torch's seed, so that all seeds of an ensemble would be one" in refused(seeded, tmp_path)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    text = "import torch\ntorch.manual_seed(9)\ntorch.set_default_dtype(torch.float64)\n" + WHOLE
    admitted(own(tmp_path, text))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_default_dtype() == torch.float32


def test_sessions_that_are_taken_for_a_batch_are_noticed(tmp_path: Path) -> None:
    turned = changed(("nn.LSTM(6, 6, batch_first=True)", "nn.LSTM(6, 6)"))
    assert "mixes symbols" in refused(turned, tmp_path)
    assert "batch_first=True" in refused(turned, tmp_path)


def test_a_network_that_changes_its_input_is_refused(tmp_path: Path) -> None:
    assert "changes x, which is not its own: write x = x * 2" in refused(
        changed((INPUTS, "        x *= 2\n" + INPUTS)), tmp_path
    )


def test_a_norm_that_learns_from_what_it_sees_may(tmp_path: Path) -> None:
    normed = changed(
        ("nn.Linear(n_features, 6)", "nn.utils.parametrizations.weight_norm(nn.Linear(n_features, 6))"),
        ("self.width = n_horizons", "self.register_buffer('seen', torch.zeros(()))"),
        (INPUTS, "        self.seen += 1.0 * self.training\n" + INPUTS),
    )
    admitted(own(tmp_path, normed))


def test_the_fixed_length_of_torch_s_own_transformer_is_named_with_the_way_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    layer = "nn.TransformerEncoderLayer(6, 1, 8, batch_first=True)"
    fixed = changed(
        ("self.width = n_horizons", f"self.layer = {layer}"),
        (
            INPUTS,
            INPUTS + "        h = self.layer(h, src_mask=nn.Transformer.generate_square_subsequent_mask(x.shape[1]))\n",
        ),
    )
    message = refused(fixed, tmp_path)
    assert "ONNX" in message
    assert capfd.readouterr().out == ""  # torch would print the graph
    causal = changed(
        ("self.width = n_horizons", "self.attended = nn.Linear(6, 18)"),
        (
            INPUTS,
            INPUTS + "        q, k, v = self.attended(h).chunk(3, -1)\n"
            "        h = h + functional.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
        ),
    )
    admitted(own(tmp_path, causal))


def test_what_is_not_saved_is_noticed(tmp_path: Path) -> None:
    drawn = changed(
        ("self.width = n_horizons", "self.noise = torch.randn(6)"),
        (INPUTS, "        h = torch.tanh(self.inputs(x) + self.noise)\n"),
    )
    assert "once it is saved and loaded: what it learns or draws has to be a parameter or a buffer" in refused(
        drawn, tmp_path
    )


def test_a_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    methods = (
        "    def get_extra_state(self):\n        return {'a': 1}\n\n",
        "    def set_extra_state(self, state):\n        pass\n",
    )
    state = "\n".join((WHOLE, *methods))
    assert "has dict '_extra_state' in its state_dict; only tensors are saved" in refused(state, tmp_path)


def test_a_float64_weight_is_refused(tmp_path: Path) -> None:
    double = changed(("self.width = n_horizons", "self.register_buffer('scale', torch.ones(2, dtype=torch.float64))"))
    assert "has 'scale' as float64; weights are float32" in refused(double, tmp_path)


def test_a_graph_that_can_not_be_exported_is_refused_with_the_reason(tmp_path: Path) -> None:
    special = changed(("torch.tanh(self.inputs(x))", "torch.special.bessel_j0(self.inputs(x))"))
    message = refused(special, tmp_path)
    assert "can't be exported to ONNX, which serving runs" in message
    assert "bessel_j0" in message


def test_a_graph_that_says_something_else_is_refused(tmp_path: Path) -> None:
    branch = changed((INPUTS, INPUTS + "        if x.shape[1] > 100:\n            h = 2 * h\n"))
    assert "looks ahead" in refused(branch, tmp_path)  # what a session gets depends on how many there are
    fixed = changed((INPUTS, INPUTS + "        h = h * (1 if float(x[0, 0, 0]) == 0 and len(x) == 3 else 1.5)\n"))
    assert "mixes symbols" in refused(fixed, tmp_path)
    values = changed((INPUTS, INPUTS + "        h = h + torch.tensor(x[0, :, 0].tolist()).mean() * 0\n"))
    admitted(own(tmp_path, values))  # a constant of the trace that changes nothing
    lost = changed((INPUTS, INPUTS + "        h = h + torch.tensor(x[..., :1].tolist())\n"))
    assert "its ONNX graph" in refused(lost, tmp_path)


def test_a_class_that_is_no_module_and_a_file_that_can_not_be_run(tmp_path: Path) -> None:
    assert "is the class Net; it has to be a class that extends torch.nn.Module" in refused(
        "class Net:\n    pass\n", tmp_path
    )
    assert refused("import nothing_of_this_name\n" + WHOLE, tmp_path).startswith(
        "mine.py can't be run: ModuleNotFoundError: No module named 'nothing_of_this_name' (mine.py, line 1)"
    )
    assert "can't be run: SystemExit" in refused(WHOLE + "\nraise SystemExit(3)\n", tmp_path)


def test_options_are_handed_to_the_constructor(tmp_path: Path) -> None:
    text = changed(
        ("n_horizons):\n", "n_horizons, units=6):\n"),
        ("nn.LSTM(6, 6", "nn.LSTM(6, units"),
        ("nn.Linear(6, 3", "nn.Linear(units, 3"),
    )
    config = own(tmp_path, text, options={"units": 4})
    admitted(config)
    assert make_network(config, 5, 2).inner.lstm.hidden_size == 4
    with pytest.raises(ConfigError, match=r"n_horizons, unit=4\): got an unexpected keyword argument 'unit'"):
        admitted(own(tmp_path, text, options={"unit": 4}))


def test_heads_that_are_left_out_are_their_level_alone(tmp_path: Path) -> None:
    config = own(tmp_path, HEADER + INIT + FORWARD.replace(', "mean": mean, "up_logit": up', ""))
    admitted(config)
    network = make_network(config, 5, 2)
    assert network.gives == ("log_variance",)
    with torch.no_grad():
        network.level("up_logit").copy_(torch.tensor([0.1, 0.2]))
    out = network(torch.randn(3, 4, 6))
    assert torch.equal(out.heads["up_logit"], torch.tensor([0.1, 0.2]).expand(3, 4, 2))
    assert not out.heads["mean"].any()
    assert [p.requires_grad for p in (network.level("mean"), network.level("log_variance"))] == [False, True]


def test_weights_of_attention_are_handed_on(tmp_path: Path) -> None:
    weights = (
        '"time_weights": x[..., :1, None].expand(-1, -1, 2, 8).softmax(-1), "feature_weights": x[..., :-1].softmax(-1)}'
    )
    config = own(tmp_path, changed((RETURN, RETURN.replace("}", f", {weights}"))))
    admitted(config)
    network = make_network(config, 5, 2)
    assert network.attends
    out = network(torch.randn(3, 4, 6))
    assert (out.time_weights.shape, out.feature_weights.shape) == ((3, 4, 2, 8), (3, 4, 5))
