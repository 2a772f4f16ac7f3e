"""Checks the peer against slow twins of itself, finite differences and its own protocol. Exits 1 if one fails."""

import json
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F

import granite_hybrid
from granite_hybrid import Experts, GraniteHybrid, rotate
from safetensors_file import read_safetensors, write_safetensors
from state_space import CausalConvolution, scan_chunks, scan_listing, scan_steps

TINY = {
    "vocab_size": 19,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "layers_block_type": ["mamba", "attention", "mamba"],
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 6,
    "shared_intermediate_size": 10,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "mamba_n_heads": 4,
    "mamba_d_head": 8,
    "mamba_d_state": 6,
    "mamba_expand": 2,
    "mamba_n_groups": 2,
    "mamba_proj_bias": True,
    "embedding_multiplier": 3.0,
    "logits_scaling": 0.5,
    "residual_multiplier": 0.7,
    "attention_multiplier": 0.4,
    "position_embedding_type": "rope",
    "tie_word_embeddings": False,
    "initializer_range": 0.4,
}


def difference(a, b):
    """Largest difference, relative to the largest value of `b` or 1; infinite where either is not a number."""
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        return float("inf")
    return ((a - b).abs().max() / b.abs().max().clamp(min=1.0)).item()


def gradients(y, inputs, seed=1):
    direction = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(seed))
    return torch.autograd.grad((y * direction).sum(), inputs)


def compare(ours, twin, inputs):
    """Largest difference of values and of gradients along one random direction."""
    found = [difference(ours, twin)]
    found += [difference(a, b) for a, b in zip(gradients(ours, inputs), gradients(twin, inputs))]
    return max(found)


def check_scan():
    worst = 0.0
    for length, chunk, groups in ((1, 4, 1), (4, 4, 2), (7, 32, 1), (23, 4, 2), (64, 16, 4), (40, 8, 1)):
        shapes = ((2, length, 4, 3), (2, length, 4), (4,), (2, length, groups, 5), (2, length, groups, 5))
        x, dt, a, b, c = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
        inputs = [x, F.softplus(dt), -a.exp(), b, c]
        inputs = [value.detach().requires_grad_() for value in inputs]
        for scan in (scan_chunks, scan_listing):
            worst = max(worst, compare(scan(*inputs, chunk), scan_steps(*inputs), inputs))
    return worst


def check_strong_decay():
    """Decays far below the smallest number must give zeros, not NaN, in float32 too."""
    x, b, c = torch.randn(1, 70, 2, 3), torch.randn(1, 70, 1, 4), torch.randn(1, 70, 1, 4)
    inputs = [v.requires_grad_() for v in (x, torch.full((1, 70, 2), 5.0), torch.tensor([-16.0, -1e-3]), b, c)]
    return compare(scan_chunks(*inputs, 32), scan_steps(*inputs), inputs)


def check_convolution():
    worst = 0.0
    for width, with_bias in ((4, True), (2, False)):
        x = torch.randn(2, 9, 6, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(6, 1, width, dtype=torch.float64, requires_grad=True)
        bias = torch.randn(6, dtype=torch.float64, requires_grad=True) if with_bias else None
        twin = F.conv1d(x.transpose(1, 2), weight, bias, padding=width - 1, groups=6)[..., :9].transpose(1, 2)
        inputs = [x, weight] + ([bias] if with_bias else [])
        worst = max(worst, compare(CausalConvolution.apply(x, weight, bias), twin, inputs))
    return worst


def check_experts():
    """Sparse against dense-masked, also when one expert gets no token at all."""
    worst = 0.0
    for starved in (False, True):
        model = GraniteHybrid(TINY).double()
        experts = model.model.layers[0].block_sparse_moe
        x = torch.randn(1, 33, 16, dtype=torch.float64)
        if starved:
            x = x.abs()
            experts.router.layer.weight.data[2] = -5.0
            assert 2 not in experts.router(x[0])[0], "expert 2 was to get no token"
        x.requires_grad_()
        inputs = [x] + list(experts.parameters())
        experts.implementation = "sparse"
        ours, _ = experts(x)
        experts.implementation = "dense"
        twin, _ = experts(x)
        worst = max(worst, compare(ours, twin, inputs))
    return worst


def check_balance():
    """By hand: 2 experts, top 1, three tokens to the first, one to the second: 2 * (3/4 P_0 + 1/4 P_1)."""
    experts = Experts(granite_hybrid.Config({**TINY, "num_local_experts": 2, "num_experts_per_tok": 1}))
    logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    first = 1 / (1 + torch.exp(logits[:, 1] - logits[:, 0]))
    expected = 2 * (0.75 * first.mean() + 0.25 * (1 - first).mean())
    return difference(experts.balance(torch.tensor([[0], [0], [0], [1]]), logits), expected)


def check_rotation():
    """Scores depend on distance alone, and position 0 is not turned."""
    q, k = torch.randn(2, 8, dtype=torch.float64)
    turned = [rotate(v.expand(1, 1, 12, 8), 10000.0)[0, 0] for v in (q, k)]
    scores = turned[0] @ turned[1].t()
    return max(difference(scores[5, 2], scores[11, 8]), difference(turned[0][0], q))


def check_model():
    """The whole model against itself built from the slow twins, logits and every gradient."""
    tokens = torch.randint(TINY["vocab_size"], (2, 21))
    model = GraniteHybrid(granite_hybrid.Config(TINY, chunk=8)).double()
    twin = GraniteHybrid(granite_hybrid.Config(TINY, experts="dense")).double()
    twin.load_state_dict(model.state_dict())
    ours, aux = model(tokens)
    kept = granite_hybrid.scan_chunks
    granite_hybrid.scan_chunks = lambda x, dt, a, b, c, chunk: scan_steps(x, dt, a, b, c)
    try:
        other, other_aux = twin(tokens)
    finally:
        granite_hybrid.scan_chunks = kept
    worst = max(difference(ours, other), difference(aux, other_aux))
    pairs = zip(gradients(ours, list(model.parameters())), gradients(other, list(twin.parameters())))
    return max(worst, *(difference(a, b) for a, b in pairs))


def check_causality():
    """Changing the last token changes no earlier logit."""
    model = GraniteHybrid(TINY).double()
    tokens = torch.randint(TINY["vocab_size"] - 1, (1, 40))
    changed = tokens.clone()
    changed[0, -1] += 1
    with torch.no_grad():
        before, after = model(tokens)[0], model(changed)[0]
    if torch.equal(before[:, -1], after[:, -1]):
        return 1.0
    return difference(before[:, :-1], after[:, :-1])


def check_finite_differences():
    """Each parameter's gradient of the training loss along a random direction, against a central difference."""
    model = GraniteHybrid(granite_hybrid.Config(TINY, chunk=4)).double()
    tokens = torch.randint(TINY["vocab_size"], (2, 11))
    targets = torch.randint(TINY["vocab_size"], (2, 11))
    model.loss(tokens, targets, 0.1)[0].backward()
    worst, step = 0.0, 1e-6
    for parameter in model.parameters():
        direction = torch.randn_like(parameter)
        expected = (parameter.grad * direction).sum()
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):
                parameter.add_(direction, alpha=sign * step)
                values.append(model.loss(tokens, targets, 0.1)[0])
        measured = (values[0] - values[1]) / (2 * step)
        worst = max(worst, abs(measured - expected).item() / max(abs(expected).item(), 1e-2))
    return worst


def check_names():
    """Names and shapes are the family's: the sum of mismatches, so 0 or a failure."""
    shapes = {name: list(value.shape) for name, value in GraniteHybrid(TINY).state_dict().items()}
    layer = "model.layers.{}."
    mixture = {
        "input_layernorm.weight": [16],
        "post_attention_layernorm.weight": [16],
        "block_sparse_moe.input_linear.weight": [4, 12, 16],
        "block_sparse_moe.output_linear.weight": [4, 16, 6],
        "block_sparse_moe.router.layer.weight": [4, 16],
        "shared_mlp.input_linear.weight": [20, 16],
        "shared_mlp.output_linear.weight": [16, 10],
    }
    mamba = {
        "mamba.in_proj.weight": [32 + 56 + 4, 16],
        "mamba.in_proj.bias": [92],
        "mamba.conv1d.weight": [56, 1, 4],
        "mamba.conv1d.bias": [56],
        "mamba.A_log": [4],
        "mamba.D": [4],
        "mamba.dt_bias": [4],
        "mamba.norm.weight": [32],
        "mamba.out_proj.weight": [16, 32],
        "mamba.out_proj.bias": [16],
    }
    attention = {f"self_attn.{n}_proj.weight": [8 if n in "kv" else 16, 16] for n in "qkvo"}
    expected = {"model.embed_tokens.weight": [19, 16], "model.norm.weight": [16], "lm_head.weight": [19, 16]}
    for index, mixer in enumerate((mamba, attention, mamba)):
        expected.update({layer.format(index) + name: shape for name, shape in {**mixture, **mixer}.items()})
    wrong = [n for n in set(shapes) | set(expected) if shapes.get(n) != expected.get(n)]
    if wrong:
        print("  differs:", *sorted(wrong), file=sys.stderr)
    return float(len(wrong))


def check_protocol():
    """A real process: weights in, logits and gradients out, training changes the model, errors are answers."""
    model = GraniteHybrid(TINY).double()
    tokens = torch.randint(TINY["vocab_size"], (2, 9))
    targets = torch.randint(TINY["vocab_size"], (2, 9))
    with tempfile.TemporaryDirectory() as folder:
        weights, out = os.path.join(folder, "model.safetensors"), os.path.join(folder, "gradients.safetensors")
        write_safetensors(weights, model.state_dict())
        commands = [
            {"cmd": "logits", "tokens": [[1]]},
            {"cmd": "init", "config": TINY, "weights": weights, "threads": 1, "dtype": "float64"},
            {"cmd": "logits", "tokens": tokens.tolist()},
            {
                "cmd": "gradients",
                "tokens": tokens.tolist(),
                "targets": targets.tolist(),
                "aux_coef": 0.1,
                "out": out,
            },
            {"cmd": "logits", "tokens": [[99]]},
            {"cmd": "nonsense"},
            {"cmd": "train", "steps": 3, "batch": 2, "length": 8, "seed": 1, "lr": 1e-3, "aux_coef": 0.01},
            {"cmd": "logits", "tokens": tokens.tolist()},
            {"cmd": "matmul", "size": 64, "repeats": 2},
            {"cmd": "info"},
        ]
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
        sent = "".join(json.dumps(command) + "\n" for command in commands)
        ran = subprocess.run([sys.executable, script], input=sent, capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        written = read_safetensors(out)
    assert len(answers) == len(commands), f"{len(answers)} answers to {len(commands)} commands"
    failed = [index for index, answer in enumerate(answers) if "error" in answer]
    assert failed == [0, 4, 5], f"expected errors for commands 0, 4 and 5, got {failed}: {answers}"
    assert len(answers[6]["seconds"]) == 3 and answers[8]["gflops"] > 0 and answers[9]["torch"] == torch.__version__
    assert answers[7]["logits"] != answers[2]["logits"], "training left the model as it was"
    total, cross, aux = model.loss(tokens, targets, 0.1)
    total.backward()
    worst = difference(torch.tensor(answers[2]["logits"], dtype=torch.float64), model(tokens)[0])
    worst = max(worst, abs(answers[3]["loss"] - total.item()), abs(answers[3]["aux"] - aux.item()))
    return max(worst, *(difference(written[name], p.grad) for name, p in model.named_parameters()))


CHECKS = (
    ("chunked scan = recurrence, values and gradients, float64", check_scan, 1e-10),
    ("scan with very strong decay, float32", check_strong_decay, 2e-5),
    ("convolution = conv1d with padding, values and gradients", check_convolution, 1e-12),
    ("sparse experts = dense masked, values and gradients", check_experts, 1e-12),
    ("load-balancing loss by hand", check_balance, 1e-6),
    ("rotary positions", check_rotation, 1e-12),
    ("whole model = slow twins, logits and gradients", check_model, 1e-10),
    ("no position sees a later one", check_causality, 1e-14),
    ("gradients = central differences", check_finite_differences, 1e-6),
    ("weight names and shapes", check_names, 0.0),
    ("peer.py protocol", check_protocol, 1e-12),
)


def main():
    torch.manual_seed(0)
    failures = 0
    for title, check, bound in CHECKS:
        found = check()
        passed = found <= bound
        failures += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {title}: {found:.2e} (at most {bound:.0e})")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
