"""Paraformer's layers under FunASR's names of weights, and a streamed utterance computed at once.

A stream is heard in windows: `left` frames before, CHUNK of its own, `ahead` of them. What a session does step by step,
with what it remembers of earlier steps, is done here for all windows of all utterances of a batch, layer by layer: the
same numbers (evaluate.py hears it from the server itself), but with gradients. Shapes: B utterances, K windows, W frames
of a window, D width, N tokens.
"""
import dataclasses
import functools
import math

import torch
import torch.nn.functional as F
from torch import nn

from features import CHUNK, WIDTH

EPSILON = 1e-12  # of all LayerNorms


@dataclasses.dataclass
class Shape:
    size: int = 128
    heads: int = 4
    inner: int = 512
    blocks: int = 6
    decoder_blocks: int = 2
    kernel: int = 11
    vocabulary: int = 0


@dataclasses.dataclass
class Terms:
    """What a client asks of a stream."""
    left: int = 5
    ahead: int = 5
    encoder_back: int = 4  # chunks
    decoder_back: int = 0  # chunks, 1 at most

    @property
    def window(self):
        return self.left + CHUNK + self.ahead


class Inner(nn.Module):
    def __init__(self, size, inner):
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, x):
        return self.w_2(torch.relu(self.w_1(x)))


class DecoderInner(nn.Module):
    def __init__(self, size, inner):
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(size, inner), nn.Linear(inner, size, bias=False)
        self.norm = nn.LayerNorm(inner, EPSILON)

    def forward(self, x):
        return self.w_2(self.norm(torch.relu(self.w_1(x))))


class Memory(nn.Conv1d):
    """The depthwise memory block, [.., frames, D], with its residual."""

    def __init__(self, size, kernel, left):
        super().__init__(size, size, kernel, groups=size, bias=False)
        self.left = left

    def forward(self, x):
        padded = F.pad(x, (0, 0, self.left, self.kernel_size[0] - 1 - self.left)).flatten(0, -3)
        return x + super().forward(padded.transpose(1, 2)).transpose(1, 2).view(x.shape)


def attend(q, k, v, heads, seen):
    """[.., queries, D] over [.., keys, D]; `seen` [.., queries or 1, keys], True where a key is. In fp32: on a CPU the
    bf16 kernel's gradient is slow."""
    split = lambda t: t.flatten(0, -3).unflatten(-1, (heads, -1)).transpose(1, 2).float()
    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=seen.flatten(0, -3)[:, None])
    return out.transpose(1, 2).flatten(-2).view(q.shape)


class SelfAttention(nn.Module):
    def __init__(self, input_size, size, heads, kernel):
        super().__init__()
        self.heads = heads
        self.linear_q_k_v, self.linear_out = nn.Linear(input_size, 3 * size), nn.Linear(size, size)
        self.fsmn_block = Memory(size, kernel, (kernel - 1) // 2)

    def forward(self, x, valid, past=None, seen=None):
        """`x` [.., W, D], `valid` [.., W, 1]; `past`: what of [.., W, 2 D] earlier windows left behind; `seen`: mask of
        past and own keys, [.., 1, S]."""
        q, k, v = self.linear_q_k_v(x).chunk(3, -1)
        v = v * valid
        keys, values = k, v
        if past is not None:
            keys, values = (torch.cat([past(t), t], -2) for t in (k, v))
        return self.linear_out(attend(q, keys, values, self.heads, seen)) + self.fsmn_block(v) * valid


class EncoderLayer(nn.Module):
    def __init__(self, input_size, size, heads, inner, kernel, dropout):
        super().__init__()
        self.self_attn, self.feed_forward = SelfAttention(input_size, size, heads, kernel), Inner(size, inner)
        self.norm1, self.norm2 = nn.LayerNorm(input_size, EPSILON), nn.LayerNorm(size, EPSILON)
        self.dropout, self.residual = dropout, input_size == size

    def forward(self, x, valid, past=None, seen=None):
        drop = lambda t: F.dropout(t, self.dropout, self.training)
        y = drop(self.self_attn(self.norm1(x), valid, past, seen))
        x = x + y if self.residual else y
        return x + drop(self.feed_forward(self.norm2(x)))


class Encoder(nn.Module):
    def __init__(self, input_size, s: Shape, dropout):
        super().__init__()
        layer = lambda width: EncoderLayer(width, s.size, s.heads, s.inner, s.kernel, dropout)
        self.encoders0 = nn.ModuleList([layer(input_size)])
        self.encoders = nn.ModuleList([layer(s.size) for _ in range(s.blocks - 1)])
        self.after_norm = nn.LayerNorm(s.size, EPSILON)

    def forward(self, x, valid, past=None, seen=None):
        for layer in [*self.encoders0, *self.encoders]:
            x = layer(x, valid, past, seen)
        return self.after_norm(x)


class Predictor(nn.Module):
    """How much of a token each frame holds."""

    def __init__(self, size):
        super().__init__()
        self.cif_conv1d, self.cif_output = nn.Conv1d(size, size, 3), nn.Linear(size, 1)

    def forward(self, h):
        """[B, K, W, D], zero where there is no frame -> logits [B, K, W]"""
        flat = F.pad(h.flatten(0, 1), (0, 0, 1, 1))
        w = self.cif_conv1d.weight  # [D, D, 3]
        near = torch.cat([flat[:, i:i + h.shape[2]] for i in range(3)], -1)
        hidden = F.linear(near, w.permute(0, 2, 1).flatten(1), self.cif_conv1d.bias)
        return self.cif_output(torch.relu(hidden)).squeeze(-1).unflatten(0, h.shape[:2])


class CrossAttention(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.linear_q, self.linear_k_v = nn.Linear(size, size), nn.Linear(size, 2 * size)
        self.linear_out = nn.Linear(size, size)

    def forward(self, x, memory, seen):
        k, v = self.linear_k_v(memory).chunk(2, -1)
        return self.linear_out(attend(self.linear_q(x), k, v, self.heads, seen))


class TokenMemory(nn.Module):
    def __init__(self, size, kernel):
        super().__init__()
        self.fsmn_block = Memory(size, kernel, kernel - 1)  # what was said before, nothing ahead


class DecoderLayer(nn.Module):
    def __init__(self, s: Shape, dropout, last=False):
        super().__init__()
        self.feed_forward, self.norm1 = DecoderInner(s.size, s.inner), nn.LayerNorm(s.size, EPSILON)
        self.dropout, self.last = dropout, last
        if not last:
            self.norm2, self.norm3 = nn.LayerNorm(s.size, EPSILON), nn.LayerNorm(s.size, EPSILON)
            self.self_attn, self.src_attn = TokenMemory(s.size, s.kernel), CrossAttention(s.size, s.heads)

    def forward(self, x, memory, seen):
        t = self.feed_forward(self.norm1(x))
        if self.last:
            return t
        drop = lambda y: F.dropout(y, self.dropout, self.training)
        x = x + drop(self.self_attn.fsmn_block(self.norm2(t)))
        return x + drop(self.src_attn(self.norm3(x), memory, seen))


class Decoder(nn.Module):
    def __init__(self, s: Shape, dropout):
        super().__init__()
        self.decoders = nn.ModuleList([DecoderLayer(s, dropout) for _ in range(s.decoder_blocks)])
        self.decoders3 = nn.ModuleList([DecoderLayer(s, dropout, last=True)])
        self.after_norm, self.output_layer = nn.LayerNorm(s.size, EPSILON), nn.Linear(s.size, s.vocabulary)

    def forward(self, x, memory, seen):
        for layer in [*self.decoders, *self.decoders3]:
            x = layer(x, memory, seen)
        return self.output_layer(self.after_norm(x))


@functools.lru_cache(4)
def _sines(count, width):
    rate = torch.exp(torch.arange(width // 2) * (-math.log(10000.0) / (width / 2 - 1)))
    angle = torch.arange(count)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1)


def positions(first, count, width):
    """Sines beside cosines; `first` [B], counted from 1. [B, count, width]"""
    return _sines(4096, width)[first[:, None] + torch.arange(count)]


@dataclasses.dataclass
class Windows:
    x: torch.Tensor  # [B, K, W, WIDTH]
    valid: torch.Tensor  # [B, K, W] bool: a frame, or the zeros before the first one
    own: torch.Tensor  # [B, K, W] bool: a frame of the window's own, or of the last one all that remain
    frame: torch.Tensor  # [K, W] which frame of the utterance; below 0 before it


def windows_of(x, chunks, rest, terms: Terms):
    """`x` [B, T, WIDTH] as placed; `chunks`, `rest` [B] as features.steps_of counts."""
    before, count = terms.left + terms.ahead, int(chunks.max()) + 1
    width = before + CHUNK
    x = F.pad(x, (0, 0, before, max(0, CHUNK * count - x.shape[1])))
    cut = x.unfold(1, width, CHUNK)[:, :count].transpose(2, 3)
    k, i = torch.arange(count)[:, None], torch.arange(width)
    length = torch.where(k[None] < chunks[:, None, None], width, torch.where(
        k[None] == chunks[:, None, None], before + rest[:, None, None], 0))
    valid = i < length
    end = torch.where(k[None] < chunks[:, None, None], terms.left + CHUNK, length)
    own = (i >= terms.left) & (i < end)
    return Windows(cut, valid, own, CHUNK * k + i - before)


def looked_back(terms: Terms, valid):
    """How a layer's keys of earlier windows are found, and the mask of keys, [B, K, 1, S]."""
    if terms.encoder_back == 0:
        return None, valid[:, :, None, :]
    kept, left = terms.left + CHUNK, terms.encoder_back * CHUNK
    parts = []  # (windows ago, frames of it that are kept still)
    while left > 0:
        parts.append((len(parts) + 1, min(kept, left)))
        left -= parts[-1][1]
    ago_most = parts[-1][0]

    def past(t):
        padded, count = F.pad(t, (0, 0, 0, 0, ago_most, 0)), t.shape[1]
        return torch.cat([padded[:, ago_most - ago:ago_most - ago + count, kept - n:kept] for ago, n in parts], 2)

    seen = torch.cat([past(valid[..., None].float())[..., 0] > 0, valid], 2)
    return past, seen[:, :, None, :]


class Paraformer(nn.Module):
    NOISE_THRESHOLD, TAIL = 0.05, 0.1  # of config.yaml's predictor_conf

    def __init__(self, shape: Shape, dropout=0.0):
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(WIDTH, shape, dropout)
        self.predictor = Predictor(shape.size)
        self.decoder = Decoder(shape, dropout)

    def encode(self, x, chunks, rest, terms, first=None):
        """`x`: normalised features [B, T, WIDTH]; `first` [B]: a session's frame that x begins with, 1 at its begin.
        -> (windows, h [B, K, W, D], zero where there is no frame)"""
        first = torch.ones(len(x), dtype=torch.long) if first is None else first
        placed = x * math.sqrt(self.shape.size) + positions(first, x.shape[1], WIDTH)
        w = windows_of(placed, chunks, rest, terms)
        past, seen = looked_back(terms, w.valid)
        valid = w.valid[..., None].float()
        # A window of no frames at all attends to zeros: softmax over nothing is no number.
        seen = seen | ~seen.any(-1, keepdim=True)
        return w, self.encoder(w.x, valid, past, seen) * valid

    def decode(self, tokens, window, h, valid, terms):
        """`tokens` [B, N, D]; `window` [B, N]: in which window each fired. -> [B, N, vocabulary]"""
        width = h.shape[2]
        at = torch.arange(h.shape[1])
        seen = (window[..., None] == at)[..., None] & valid[:, None]  # [B, N, K, W]
        if terms.decoder_back > 0:
            earlier = torch.where(window[:, None, :] < window[:, :, None], window[:, None, :], -1).amax(-1)
            newest = torch.arange(width) >= width - CHUNK
            seen = seen | ((earlier[..., None] == at)[..., None] & newest)
        return self.decoder(tokens, h.flatten(1, 2), seen.flatten(2))


def integrate(alphas, h, start=0.0):
    """CIF: `alphas` [B, S] below 1, `h` [B, S, D] -> tokens [B, N, D], the place where each fired [B, N], how many
    fired [B]. `start` [B]: what was gathered before."""
    total = torch.cumsum(alphas.double(), 1) + start
    before = total - alphas
    fired = total[:, -1].floor().long().clamp(min=0)
    n = torch.arange(1, max(1, int(fired.max())) + 1, dtype=torch.double)[None, :, None]
    share = (torch.minimum(total[:, None], n) - torch.maximum(before[:, None], n - 1)).clamp(min=0)
    place = (total[:, None] >= n).int().argmax(-1)
    return share.to(h.dtype) @ h, place, fired
