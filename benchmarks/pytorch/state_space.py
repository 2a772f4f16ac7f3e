"""The state-space recurrence, in chunks and step by step, and the causal convolution before it.

Letters in shapes as in granite_hybrid.py.
"""

import math

import torch
import torch.nn.functional as F


def segment_sums(a):
    """Sums over segments: out[..., i, j] = a[..., j+1] + ... + a[..., i] for i >= j, -inf above the diagonal.

    a: [..., L] -> [..., L, L]. As differences of one running sum, which is cheaper than the masked running sum of
    the paper's listing; chunks are short, so little precision is lost.
    """
    sums = a.cumsum(-1)
    above = torch.full((a.shape[-1], a.shape[-1]), -math.inf, dtype=a.dtype).triu(1)
    return (sums.unsqueeze(-1) - sums.unsqueeze(-2)).add_(above)


def scan_chunks(x, dt, a, b, c, chunk):
    """S_t = exp(dt_t a) S_{t-1} + dt_t b_t (outer) x_t;  y_t = c_t S_t, by matrix products within and between chunks.

    x: [B,T,H,P]; dt: [B,T,H], positive; a: [H], negative; b, c: [B,T,G,N] -> y: [B,T,H,P]. Any T: padded to a
    multiple of `chunk` with dt = 0, which leaves the state as it is.
    Source: Dao & Gu 2024, arXiv:2405.21060, Listing 1, with heads of one group folded into one matrix product.
    """
    batch, length, heads, size = x.shape
    groups, state = b.shape[-2:]
    per_group = heads // groups
    chunk = min(chunk, length)
    x = x * dt.unsqueeze(-1)
    decay = dt * a
    padding = -length % chunk
    if padding:
        x, b, c = (F.pad(v, (0, 0, 0, 0, 0, padding)) for v in (x, b, c))
        decay = F.pad(decay, (0, 0, 0, padding))
    chunks = (length + padding) // chunk

    x = x.view(batch, chunks, chunk, groups, per_group, size)
    decay = decay.view(batch, chunks, chunk, groups, per_group).permute(0, 1, 3, 4, 2).contiguous()  # [B,C,G,R,L]
    b = b.view(batch, chunks, chunk, groups, state).transpose(2, 3)  # [B,C,G,L,N]
    c = c.view(batch, chunks, chunk, groups, state).transpose(2, 3)
    sums = decay.cumsum(-1)

    # Within each chunk: what every position receives from the earlier ones and itself.
    scores = (c @ b.transpose(-1, -2)).unsqueeze(3) * segment_sums(decay).exp_()  # [B,C,G,R,L,L]
    within = scores @ x.permute(0, 1, 3, 4, 2, 5)  # [B,C,G,R,L,P]
    within = within.permute(0, 1, 4, 2, 3, 5)  # [B,C,L,G,R,P]
    if chunks == 1:
        return within.reshape(batch, chunk, heads, size)[:, :length]

    # Each chunk's contribution to the state after it, for the heads of a group in one product.
    to_end = (sums[..., -1:] - sums).exp().permute(0, 1, 4, 2, 3).unsqueeze(-1)  # [B,C,L,G,R,1]
    weighted = (x * to_end).view(batch, chunks, chunk, groups, per_group * size).transpose(2, 3)  # [B,C,G,L,RP]
    states = b.transpose(-1, -2) @ weighted  # [B,C,G,N,RP]

    # Between chunks: the state before chunk i is the decayed sum of the contributions of the chunks before it.
    totals = F.pad(sums[:, :-1, :, :, -1].permute(0, 2, 3, 1), (1, 0))  # [B,G,R,C], the first is 0
    between = segment_sums(totals).exp_()  # [B,G,R,C,C]
    states = F.pad(states[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0)).view(batch, chunks, groups, state, per_group, size)
    states = torch.einsum("bgrzc,bcgnrp->bzgnrp", between, states).reshape(
        batch, chunks, groups, state, per_group * size
    )
    carried = (c @ states).transpose(2, 3).view(batch, chunks, chunk, groups, per_group, size)
    y = torch.addcmul(within, carried, sums.exp().permute(0, 1, 4, 2, 3).unsqueeze(-1))
    return y.reshape(batch, chunks * chunk, heads, size)[:, :length]


def scan_listing(x, dt, a, b, c, chunk):
    """The same as `scan_chunks`, as the paper states it: one einsum per formula, b and c repeated for every head.

    What most users of PyTorch write or copy. Source: Dao & Gu 2024, arXiv:2405.21060, section 6 and Listing 1.
    """
    batch, length, heads, size = x.shape
    b = b.repeat_interleave(heads // b.shape[2], dim=2)
    c = c.repeat_interleave(heads // c.shape[2], dim=2)
    chunk = min(chunk, length)
    padding = -length % chunk
    x, b, c = (F.pad(v, (0, 0, 0, 0, 0, padding)).unflatten(1, (-1, chunk)) for v in (x * dt.unsqueeze(-1), b, c))
    decay = F.pad(dt * a, (0, 0, 0, padding)).unflatten(1, (-1, chunk)).permute(0, 3, 1, 2)  # [B,H,C,L]
    sums = decay.cumsum(-1)

    within = torch.einsum("bclhn,bcshn,bhcls,bcshp->bclhp", c, b, segment_sums(decay).exp(), x)
    states = torch.einsum("bclhn,bhcl,bclhp->bchpn", b, (sums[..., -1:] - sums).exp(), x)
    states = F.pad(states[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0))
    between = segment_sums(F.pad(sums[:, :, :-1, -1], (1, 0))).exp()  # [B,H,C,C]
    states = torch.einsum("bhzc,bchpn->bzhpn", between, states)
    across = torch.einsum("bclhn,bchpn,bhcl->bclhp", c, states, sums.exp())
    return (within + across).flatten(1, 2)[:, :length]


def scan_steps(x, dt, a, b, c):
    """The recurrence of `scan_chunks` one position at a time: the slow twin it is checked against."""
    batch, length, heads, size = x.shape
    per_group = heads // b.shape[2]
    b = b.repeat_interleave(per_group, dim=2)
    c = c.repeat_interleave(per_group, dim=2)
    s = x.new_zeros(batch, heads, size, b.shape[-1])
    y = []
    for t in range(length):
        written = (dt[:, t, :, None] * x[:, t]).unsqueeze(-1) * b[:, t].unsqueeze(-2)
        s = (dt[:, t] * a).exp()[..., None, None] * s + written
        y.append((s * c[:, t].unsqueeze(-2)).sum(-1))
    return torch.stack(y, 1)


class CausalConvolution(torch.autograd.Function):
    """Depthwise causal convolution: x [B,T,C], weight [C,1,K], bias [C] or None -> [B,T,C].

    As a 2-d convolution of height 1, oneDNN takes the channels-last memory as it is, where conv1d would first copy
    it to [B,C,T]. The gradient is written out because oneDNN's depthwise gradient on CPU took several times longer
    than the three passes below (about 3% of a whole training step).
    """

    @staticmethod
    def valid(x, weight, bias):
        y = F.conv2d(x.transpose(1, 2).unsqueeze(2), weight.unsqueeze(2), bias, groups=weight.shape[0])
        return y.squeeze(2).transpose(1, 2)

    @staticmethod
    def forward(ctx, x, weight, bias):
        x = F.pad(x, (0, 0, weight.shape[-1] - 1, 0))
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return CausalConvolution.valid(x, weight, bias)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        length, width = grad.shape[1], weight.shape[-1]
        grad_x = CausalConvolution.valid(F.pad(grad, (0, 0, 0, width - 1)), weight.flip(-1), None)
        taps = [(x[:, k : k + length] * grad).sum((0, 1)) for k in range(width)]
        return grad_x, torch.stack(taps, -1).unsqueeze(1), grad.sum((0, 1)) if ctx.has_bias else None
