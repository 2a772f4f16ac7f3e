"""The GraniteMoeHybrid family in plain PyTorch (1.13 or newer), CPU first.

Parameter names and shapes are the family's own, so `model.load_state_dict` takes a published checkpoint unchanged.
Letters in shapes: B batch, T time, D model, V vocabulary, H heads, P head size, G groups, R heads per group, N state,
K convolution width, C chunks, L positions in a chunk, E experts, F expert width, M tokens (B * T).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from state_space import CausalConvolution, scan_chunks, scan_listing

DEFAULTS = {
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "num_local_experts": 0,
    "num_experts_per_tok": 0,
    "intermediate_size": 0,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "mamba_conv_bias": True,
    "mamba_proj_bias": False,
    "rms_norm_eps": 1e-5,
    "embedding_multiplier": 1.0,
    "logits_scaling": 1.0,
    "residual_multiplier": 1.0,
    "attention_multiplier": None,
    "position_embedding_type": "nope",
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "initializer_range": 0.02,
}


class Config:
    """`config.json` with snake_case keys as attributes; keys that are absent take `DEFAULTS`.

    `chunk` (positions per chunk of the scan) and `experts` (`sparse` or `dense`) choose between equal computations
    of different speed; 32 and `sparse` were the fastest measured on CPU, so `mamba_chunk_size`, which suits GPUs, is
    not read. `plain` takes the scan and the convolution that most users write. Raises ValueError when the sizes contradict each other.
    """

    def __init__(self, values, chunk=32, experts="sparse", plain=False):
        if experts not in ("sparse", "dense") or chunk < 1:
            raise ValueError(f"expected experts sparse or dense and chunk >= 1, got {experts} and {chunk}")
        self.chunk, self.experts, self.plain = chunk, experts, plain
        self.__dict__.update({**DEFAULTS, **{k: v for k, v in values.items() if v is not None}})
        for key in ("vocab_size", "hidden_size", "shared_intermediate_size"):
            if key not in self.__dict__:
                raise ValueError(f"config: expected {key}, found none; pass the whole config.json object")
        if "layers_block_type" not in self.__dict__:
            self.layers_block_type = ["mamba"] * self.num_hidden_layers
        self.num_hidden_layers = len(self.layers_block_type)
        unknown = set(self.layers_block_type) - {"mamba", "attention"}
        if unknown:
            raise ValueError(f"layers_block_type: expected mamba or attention, got {sorted(unknown)}")
        if "mamba" in self.layers_block_type:
            self.d_inner = self.mamba_n_heads * self.mamba_d_head
            expand = self.__dict__.get("mamba_expand", self.d_inner / self.hidden_size)
            if expand * self.hidden_size != self.d_inner:
                raise ValueError(
                    f"mamba_n_heads * mamba_d_head = {self.d_inner}, expected mamba_expand * hidden_size = "
                    f"{expand * self.hidden_size}"
                )
            if self.mamba_n_heads % self.mamba_n_groups:
                raise ValueError(f"mamba_n_groups {self.mamba_n_groups} does not divide {self.mamba_n_heads} heads")
        if "attention" in self.layers_block_type:
            if self.hidden_size % self.num_attention_heads or self.num_attention_heads % self.num_key_value_heads:
                raise ValueError("num_attention_heads must divide hidden_size, num_key_value_heads the heads")
            if self.attention_multiplier is None:
                self.attention_multiplier = (self.hidden_size // self.num_attention_heads) ** -0.5
        if self.num_local_experts and not 0 < self.num_experts_per_tok <= self.num_local_experts:
            raise ValueError(f"num_experts_per_tok {self.num_experts_per_tok} of {self.num_local_experts} experts")


def scale(x, factor):
    """`x * factor`, without a pass over memory when the factor is 1."""
    return x if factor == 1.0 else x * factor


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps))


class GatedRMSNorm(RMSNorm):
    """RMSNorm of `x * silu(gate)`: the gate comes first."""

    def forward(self, x, gate):
        return super().forward(x * F.silu(gate))


class Mamba(nn.Module):
    """Mamba-2 mixer: [B,T,D] -> [B,T,D]."""

    def __init__(self, config):
        super().__init__()
        self.heads, self.head_size = config.mamba_n_heads, config.mamba_d_head
        self.groups, self.state = config.mamba_n_groups, config.mamba_d_state
        self.inner, self.width, self.chunk = config.d_inner, config.mamba_d_conv, config.chunk
        channels = self.inner + 2 * self.groups * self.state
        self.channels, self.plain = channels, config.plain
        self.in_proj = nn.Linear(config.hidden_size, self.inner + channels + self.heads, bias=config.mamba_proj_bias)
        self.conv1d = nn.Conv1d(channels, channels, self.width, groups=channels, bias=config.mamba_conv_bias)
        self.dt_bias = nn.Parameter(torch.ones(self.heads))
        self.A_log = nn.Parameter(torch.arange(1, self.heads + 1, dtype=torch.float32).log())
        self.D = nn.Parameter(torch.ones(self.heads))
        self.norm = GatedRMSNorm(self.inner, config.rms_norm_eps)
        self.out_proj = nn.Linear(self.inner, config.hidden_size, bias=config.mamba_proj_bias)

    def convolve(self, x):
        if not self.plain:
            return CausalConvolution.apply(x, self.conv1d.weight, self.conv1d.bias)
        y = F.conv1d(x.transpose(1, 2), self.conv1d.weight, self.conv1d.bias, padding=self.width - 1, groups=self.channels)
        return y[..., : x.shape[1]].transpose(1, 2)

    def forward(self, u):
        batch, length, _ = u.shape
        z, xbc, dt = self.in_proj(u).split((self.inner, self.channels, self.heads), -1)
        xbc = F.silu(self.convolve(xbc))
        shared = self.groups * self.state
        x, b, c = xbc.split((self.inner, shared, shared), -1)
        x = x.reshape(batch, length, self.heads, self.head_size)
        b = b.reshape(batch, length, self.groups, self.state)
        c = c.reshape(batch, length, self.groups, self.state)
        dt = F.softplus(dt + self.dt_bias)  # The time-step limits of the family are (0, inf): no clamp.
        scan = scan_listing if self.plain else scan_chunks
        y = scan(x, dt, -self.A_log.exp(), b, c, self.chunk)
        y = torch.addcmul(y, x, self.D.unsqueeze(-1))
        return self.out_proj(self.norm(y.reshape(batch, length, self.inner), z))


def rotate(x, theta):
    """Rotary positions, half-rotation (Llama) convention; x: [B,H,T,P], P even."""
    length, size = x.shape[-2:]
    frequency = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64).unsqueeze(-1) * frequency
    cos, sin = (torch.cat((f, f), -1).to(x.dtype) for f in (angle.cos(), angle.sin()))
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Attention(nn.Module):
    """Causal attention with grouped key and value heads: [B,T,D] -> [B,T,D]."""

    def __init__(self, config):
        super().__init__()
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_size = config.hidden_size // self.heads
        self.multiplier = config.attention_multiplier
        self.theta = config.rope_theta if config.position_embedding_type == "rope" else None
        kv_size = self.kv_heads * self.head_size
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, u):
        batch, length, width = u.shape
        q, k, v = (
            proj(u).view(batch, length, -1, self.head_size).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.theta is not None:
            q, k = rotate(q, self.theta), rotate(k, self.theta)
        # The query heads of one key head as one taller matrix, so that keys and values need no repeating.
        rows = self.heads // self.kv_heads
        q = (q * self.multiplier).reshape(batch, self.kv_heads, rows * length, self.head_size)
        scores = (q @ k.transpose(-1, -2)).view(batch, self.kv_heads, rows, length, length)
        above = torch.ones(length, length, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(above, -math.inf).softmax(-1)
        y = weights.view(batch, self.kv_heads, rows * length, length) @ v
        y = y.view(batch, self.heads, length, self.head_size).transpose(1, 2)
        return self.o_proj(y.reshape(batch, length, width))


def swiglu(x, input_weight, output_weight):
    """output(silu(a) * b) with a and b the two halves of input(x); weights are [out, in]."""
    a, b = F.linear(x, input_weight).chunk(2, -1)
    return F.linear(F.silu(a) * b, output_weight)


class SharedMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.input_linear = nn.Linear(config.hidden_size, 2 * config.shared_intermediate_size, bias=False)
        self.output_linear = nn.Linear(config.shared_intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return swiglu(x, self.input_linear.weight, self.output_linear.weight)


class StackedLinear(nn.Module):
    """The weights of one linear layer for every expert: [E, out, in]."""

    def __init__(self, experts, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outputs, inputs))


class Router(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.Linear(config.hidden_size, config.num_local_experts, bias=False)
        self.top_k = config.num_experts_per_tok

    def forward(self, x):
        """x: [M,D] -> expert indices [M,K], their weights [M,K] (softmax over the chosen), router logits [M,E]."""
        logits = self.layer(x)
        top, chosen = logits.topk(self.top_k, -1)
        return chosen, top.softmax(-1), logits


class Experts(nn.Module):
    """Top-k mixture of SwiGLU experts: [B,T,D] -> [B,T,D] and the load-balancing loss of this layer."""

    def __init__(self, config):
        super().__init__()
        self.count, self.implementation = config.num_local_experts, config.experts
        self.input_linear = StackedLinear(self.count, config.hidden_size, 2 * config.intermediate_size)
        self.output_linear = StackedLinear(self.count, config.intermediate_size, config.hidden_size)
        self.router = Router(config)

    def forward(self, x):
        tokens = x.reshape(-1, x.shape[-1])
        chosen, weights, logits = self.router(tokens)
        y = (self.sparse if self.implementation == "sparse" else self.dense)(tokens, chosen, weights)
        return y.view(x.shape), self.balance(chosen, logits)

    def balance(self, chosen, logits):
        """E * sum_e f_e * P_e, f_e the share of assignments, P_e the mean probability; 1 when balanced.

        Source: Fedus, Zoph & Shazeer 2021, arXiv:2101.03961, equations 4 to 6, with k assignments per token.
        """
        share = torch.bincount(chosen.flatten(), minlength=self.count).to(logits.dtype) / chosen.numel()
        return self.count * (share * logits.softmax(-1).mean(0)).sum()

    def sparse(self, tokens, chosen, weights):
        """Each expert on its own tokens: sort the assignments by expert, gather, multiply, add back."""
        top_k = chosen.shape[-1]
        order = chosen.flatten().argsort()
        source = order.div(top_k, rounding_mode="floor")
        sizes = torch.bincount(chosen.flatten(), minlength=self.count).tolist()
        parts = tokens.index_select(0, source).split(sizes)
        inputs, outputs = self.input_linear.weight.unbind(), self.output_linear.weight.unbind()
        y = torch.cat([swiglu(part, i, o) for part, i, o in zip(parts, inputs, outputs)])
        y = y * weights.flatten().index_select(0, order).unsqueeze(-1)
        return torch.zeros_like(tokens).index_add(0, source, y)

    def dense(self, tokens, chosen, weights):
        """Every expert on every token, the unchosen weighted 0: the plain twin of `sparse`."""
        share = tokens.new_zeros(tokens.shape[0], self.count).scatter(1, chosen, weights)
        a, b = torch.einsum("md,efd->mef", tokens, self.input_linear.weight).chunk(2, -1)
        return torch.einsum("mef,edf->md", F.silu(a) * b * share.unsqueeze(-1), self.output_linear.weight)


class Layer(nn.Module):
    def __init__(self, config, kind):
        super().__init__()
        self.kind, self.multiplier = kind, config.residual_multiplier
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        if kind == "mamba":
            self.mamba = Mamba(config)
        else:
            self.self_attn = Attention(config)
        self.block_sparse_moe = Experts(config) if config.num_local_experts else None
        self.shared_mlp = SharedMLP(config)

    def forward(self, x):
        """[B,T,D] -> [B,T,D] and the layer's load-balancing loss (None without experts)."""
        mixer = self.mamba if self.kind == "mamba" else self.self_attn
        x = x + scale(mixer(self.input_layernorm(x)), self.multiplier)
        normed = self.post_attention_layernorm(x)
        y, aux = self.shared_mlp(normed), None
        if self.block_sparse_moe is not None:
            mixture, aux = self.block_sparse_moe(normed)
            y = y + mixture
        return x + scale(y, self.multiplier), aux


class Trunk(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.multiplier = config.embedding_multiplier
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, kind) for kind in config.layers_block_type)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, tokens):
        x = scale(self.embed_tokens(tokens), self.multiplier)
        losses = []
        for layer in self.layers:
            x, aux = layer(x)
            if aux is not None:
                losses.append(aux)
        return self.norm(x), (torch.stack(losses).mean() if losses else x.new_zeros(()))


class GraniteHybrid(nn.Module):
    """Causal language model. `config` is a `Config` or the config.json object."""

    def __init__(self, config):
        super().__init__()
        self.config = config if isinstance(config, Config) else Config(config)
        self.model = Trunk(self.config)
        if not self.config.tie_word_embeddings:
            self.lm_head = nn.Linear(self.config.hidden_size, self.config.vocab_size, bias=False)
        self.initialise()

    @torch.no_grad()
    def initialise(self):
        """Matrices and kernels normal, biases zero; A_log, D, dt_bias and norms as the reference sets them."""
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                parameter.normal_(std=self.config.initializer_range)
            elif name.endswith(".bias"):
                parameter.zero_()

    def forward(self, tokens):
        """int64[B,T] -> logits [B,T,V] and the load-balancing loss, the mean over layers."""
        x, aux = self.model(tokens)
        head = self.model.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight
        return scale(F.linear(x, head), 1 / self.config.logits_scaling), aux

    def loss(self, tokens, targets, aux_coef=0.0):
        """Mean cross-entropy in nats plus `aux_coef` times the load-balancing loss; returns (total, cross, aux)."""
        logits, aux = self(tokens)
        cross = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return (cross + aux_coef * aux if aux_coef else cross), cross, aux
