"""Lab 03, third part: NF4, LoRA, log-probabilities and DPO, as students write them."""

import torch
import torch.nn.functional as F

from helpers.formulas.quantization import NF4_LEVELS
from tests.exercises.unseen.record import CONSTANT, DATA, GRADIENT, IN_PLACE, SHAPE, SIGN, STABLE, Unseen

# quantize_nf4 and dequantize_nf4


def blocks_of(weight, block):
    flat = weight.flatten()
    return F.pad(flat, (0, -len(flat) % block)).reshape(-1, block)


def nearest(x, shape, count):
    return (x.unsqueeze(-1) - NF4_LEVELS.to(x.device)).abs().argmin(-1).flatten()[:count].reshape(shape)


def quantize_one_scale(weight, block=64):  # one absmax for the whole weight, repeated
    absmax = weight.abs().max().repeat(-(-weight.numel() // block))
    return nearest(weight / weight.abs().max(), weight.shape, weight.numel()), absmax


def quantize_wrong_shape(weight, block=64):  # codes stay in rows of blocks
    w = weight.reshape(-1, block)
    absmax = w.abs().amax(dim=1)
    return ((w / absmax[:, None])[..., None] - NF4_LEVELS).abs().argmin(-1), absmax


def quantize_level_below(weight, block=64):  # the level below, not the nearest
    w = blocks_of(weight, block)
    absmax = w.abs().amax(1)
    x = w / absmax.clamp(min=1e-12)[:, None]
    codes = (torch.searchsorted(NF4_LEVELS, x.contiguous(), right=True) - 1).clamp(0, 15)
    return codes.flatten()[: weight.numel()].reshape(weight.shape), absmax


def quantize_max(weight, block=64):  # largest number, not largest magnitude
    w = blocks_of(weight, block)
    top = w.max(dim=1).values
    return nearest(w / top[:, None], weight.shape, weight.numel()), top


def quantize_uniform(weight, block=64):  # sixteen levels at equal distances
    w = blocks_of(weight, block)
    absmax = w.abs().amax(1)
    codes = torch.round((w / absmax.clamp(min=1e-12)[:, None] + 1) * 7.5).long()
    return codes.flatten()[: weight.numel()].reshape(weight.shape), absmax


def quantize_zero_block(weight, block=64):  # 0 / 0 in a block of zeros: its codes are those of NaN
    w = blocks_of(weight, block)
    absmax = w.abs().amax(1)
    return nearest(w / absmax[:, None], weight.shape, weight.numel()), absmax


def quantize_64(weight, block=64):  # 64 hard-coded
    w = blocks_of(weight, 64)
    absmax = w.abs().amax(1)
    return nearest(w / absmax.clamp(min=1e-12)[:, None], weight.shape, weight.numel()), absmax


def quantize_rows(weight, block=64):  # a row of the matrix for a block
    absmax = weight.abs().amax(dim=-1)
    return ((weight / absmax[..., None])[..., None] - NF4_LEVELS).abs().argmin(-1), absmax.flatten()


def quantize_keepdim(weight, block=64):  # absmax (blocks, 1)
    w = blocks_of(weight, block)
    absmax = w.abs().amax(1, keepdim=True)
    return nearest(w / absmax.clamp(min=1e-12), weight.shape, weight.numel()), absmax


def quantize_right_loop(weight, block=64):
    codes, scales = [], []
    for part in weight.reshape(-1).split(block):
        top = part.abs().max()
        scaled = part / top if top > 0 else part
        codes.append(torch.stack([(NF4_LEVELS - x).abs().argmin() for x in scaled]))
        scales.append(top)
    return torch.cat(codes).view(weight.shape), torch.stack(scales)


def quantize_right_edges(weight, block=64):
    w = blocks_of(weight, block)
    absmax = torch.linalg.vector_norm(w, ord=float("inf"), dim=1)
    scaled = w / torch.where(absmax == 0, torch.ones_like(absmax), absmax)[:, None]
    codes = torch.bucketize(scaled, (NF4_LEVELS[1:] + NF4_LEVELS[:-1]) / 2)
    return codes.reshape(-1)[: weight.numel()].reshape(weight.shape).to(torch.uint8), absmax


def dequantize_in_block(codes, absmax, combine):
    levels = NF4_LEVELS[codes.long()].reshape(len(absmax), -1)
    return combine(levels, absmax[:, None]).reshape(codes.shape)


def dequantize_divides(codes, absmax):  # divides where it must multiply
    return dequantize_in_block(codes, absmax, torch.div)


def dequantize_repeat(codes, absmax):  # repeat: a, b, a, b in place of a, a, b, b
    scale = absmax.repeat(codes.numel() // absmax.numel())
    return NF4_LEVELS[codes.long()] * scale.reshape(codes.shape)


def dequantize_flat(codes, absmax):  # (blocks, block) in place of the shape of codes
    return NF4_LEVELS[codes.long()].view(len(absmax), -1) * absmax.unsqueeze(1)


def dequantize_64(codes, absmax):  # blocks of 64, whatever absmax says
    return (NF4_LEVELS[codes.long()].reshape(-1, 64) * absmax[:, None]).reshape(codes.shape)


def dequantize_uniform(codes, absmax):  # levels at equal distances
    x = codes.float() / 7.5 - 1
    return (x.view(len(absmax), -1) * absmax[:, None]).view(codes.shape)


def dequantize_right_interleave(codes, absmax):
    size = codes.numel() // absmax.numel()
    return NF4_LEVELS.take(codes.long()) * absmax.repeat_interleave(size).reshape(codes.shape)


def dequantize_right_onehot(codes, absmax):
    levels = F.one_hot(codes.long().flatten(), 16).to(absmax.dtype) @ NF4_LEVELS.to(absmax.dtype)
    rows = levels.chunk(len(absmax))
    return torch.cat([row * scale for row, scale in zip(rows, absmax, strict=True)]).view(codes.shape)


# lora_forward and lora_merge


def lora_by_inputs(x, weight, a, b, alpha):  # the rank read off the wrong axis
    rank = a.shape[1]
    return x @ weight.detach().T + alpha / rank * (x @ a.T @ b.T)


def lora_integer_scale(x, weight, a, b, alpha):  # alpha // rank
    return x @ weight.detach().T + (alpha // a.shape[0]) * (x @ a.T @ b.T)


def lora_no_transpose(x, weight, a, b, alpha):  # W without its transpose
    return x @ weight.detach() + alpha / len(a) * (x @ a.T @ b.T)


def lora_no_grad(x, weight, a, b, alpha):  # the adapter gets no gradient either
    with torch.no_grad():
        return x @ weight.T + (alpha / a.shape[0]) * x @ a.T @ b.T


def lora_freezes_caller(x, weight, a, b, alpha):  # switches the caller's weight to requires_grad False
    weight.requires_grad_(False)
    return F.linear(x, weight) + alpha / a.shape[0] * F.linear(F.linear(x, a), b)


def lora_two_axes_only(x, weight, a, b, alpha):  # works for (batch, in) only
    base = torch.einsum("bi,oi->bo", x, weight.detach())
    return base + alpha / a.shape[0] * torch.einsum("bi,ri,or->bo", x, a, b)


def merge_in_place(weight, a, b, alpha):  # adds to the caller's weight
    weight.data += alpha / a.shape[0] * (b @ a)
    return weight


def merge_transposed(weight, a, b, alpha):  # A^T B^T, (in, out), beside W^T
    return weight.T + alpha / a.shape[0] * (a.T @ b.T)


def merge_right_sum(weight, a, b, alpha):
    merged = weight.clone()
    for r in range(a.shape[0]):
        merged = merged + torch.outer(b[:, r], a[r]) * (alpha / a.shape[0])
    return merged


# completion_logprobs


def completion_no_shift(logits, ids, prompt_length):  # logits at t for the token at t
    lp = torch.log_softmax(logits[:, prompt_length:], dim=-1)
    return lp.gather(2, ids[:, prompt_length:, None]).squeeze(2)


def completion_raw_logits(logits, ids, prompt_length):  # no log-softmax
    return logits[:, prompt_length - 1 : -1].gather(-1, ids[:, prompt_length:].unsqueeze(-1)).squeeze(-1)


def completion_probabilities(logits, ids, prompt_length):  # probabilities, no logarithm
    p = logits.softmax(-1)[:, prompt_length - 1 : -1]
    return p.gather(-1, ids[:, prompt_length:].unsqueeze(-1)).squeeze(-1)


def completion_with_prompt(logits, ids, prompt_length):  # the prompt's tokens too
    lp = logits[:, :-1].log_softmax(-1)
    return lp.gather(-1, ids[:, 1:].unsqueeze(-1))[..., 0]


def completion_summed(logits, ids, prompt_length):  # one sum for each response
    lp = logits[:, prompt_length - 1 : -1].log_softmax(-1)
    return lp.gather(-1, ids[:, prompt_length:].unsqueeze(-1)).squeeze(-1).sum(dim=1)


def completion_over_positions(logits, ids, prompt_length):  # softmax over the positions, not the vocabulary
    lp = F.log_softmax(logits, dim=1)[:, prompt_length - 1 : -1]
    return lp.gather(-1, ids[:, prompt_length:].unsqueeze(-1)).squeeze(-1)


def completion_unstable(logits, ids, prompt_length):  # log(softmax) is -inf for an improbable token
    lp = torch.log(torch.softmax(logits, dim=-1))[:, prompt_length - 1 : -1]
    return lp.gather(-1, ids[:, prompt_length:].unsqueeze(-1)).squeeze(-1)


def completion_likeliest(logits, ids, prompt_length):  # the most probable token, not the one written
    return logits[:, prompt_length - 1 : -1].log_softmax(-1).max(dim=-1).values


def completion_shift_other_way(logits, ids, prompt_length):  # shifted to the wrong side
    lp = F.pad(logits, (0, 0, 0, 1))[:, prompt_length + 1 :].log_softmax(-1)
    return lp.gather(-1, ids[:, prompt_length:].unsqueeze(-1)).squeeze(-1)


def completion_right_cross_entropy(logits, ids, prompt_length):
    asked = logits[:, prompt_length - 1 : -1]
    nll = F.cross_entropy(asked.reshape(-1, asked.shape[-1]), ids[:, prompt_length:].reshape(-1), reduction="none")
    return -nll.view(len(ids), -1)


def completion_right_loop(logits, ids, prompt_length):
    columns = []
    for t in range(prompt_length, ids.shape[1]):
        before = logits[:, t - 1]
        columns.append(before[torch.arange(len(ids)), ids[:, t]] - before.logsumexp(dim=-1))
    return torch.stack(columns, dim=1)


# dpo_loss


def dpo_no_detach(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # a gradient flows to the reference
    return -F.logsigmoid(beta * ((chosen - ref_chosen) - (rejected - ref_rejected))).mean()


def dpo_no_reference(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # without the reference
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


def dpo_gap(chosen, rejected, ref_chosen, ref_rejected):
    return chosen - ref_chosen.detach() - rejected + ref_rejected.detach()


def dpo_unstable(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # log(sigmoid) is -inf far below 0
    return -torch.log(torch.sigmoid(beta * dpo_gap(chosen, rejected, ref_chosen, ref_rejected))).mean()


def dpo_no_beta(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # beta is not used
    return -F.logsigmoid(dpo_gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_swapped(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # rejected minus chosen
    return -F.logsigmoid(beta * dpo_gap(rejected, chosen, ref_rejected, ref_chosen)).mean()


def dpo_sum(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # sum over the pairs
    return -F.logsigmoid(beta * dpo_gap(chosen, rejected, ref_chosen, ref_rejected)).sum()


def dpo_beta_fixed(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # 0.1 hard-coded
    return -F.logsigmoid(0.1 * dpo_gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_log_of_mean(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):  # logarithm of the mean
    gap = dpo_gap(chosen, rejected, ref_chosen, ref_rejected)
    return -F.logsigmoid(beta * gap.mean())


def dpo_right_softplus(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):
    return F.softplus(-beta * dpo_gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_right_two_classes(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):
    h = beta * torch.stack([chosen - ref_chosen.detach(), rejected - ref_rejected.detach()], dim=1)
    return F.cross_entropy(h, torch.zeros(len(h), dtype=torch.long))


BLOCK = (r"\bblock",)
SCALE = (r"alpha|scal(e|ing)\b|rank",)
UNSEEN = [
    Unseen(
        "quantize_nf4",
        quantize_one_scale,
        1,
        (r"each block|every block|per block|own absmax|block.* own|whole (weight|tensor)|one absmax|single absmax",),
        (r"shape",),
    ),
    Unseen("quantize_nf4", quantize_wrong_shape, 2, SHAPE),
    Unseen("quantize_nf4", quantize_max, 3, (r"magnitude|\babs|negative|sign",), (r"nearest",)),
    Unseen("quantize_nf4", quantize_uniform, 4, (r"level|NF4|equal|evenly|uniform|spac",), (r"absmax",)),
    Unseen("quantize_nf4", quantize_level_below, 5, (r"nearest|closest|below|rounded",), (r"absmax",)),
    Unseen("quantize_nf4", quantize_zero_block, 6, (r"zero|\b0\b|\bnan\b|0 / 0",)),
    Unseen(
        "quantize_nf4",
        quantize_64,
        7,
        (r"\b64\b|`block`|other block|block size|size of (the )?block",),
        (r"absmax of the whole",),
    ),
    Unseen("quantize_nf4", quantize_rows, 8, BLOCK + SHAPE),
    Unseen("quantize_nf4", quantize_keepdim, 9, SHAPE),
    # the levels without their scale
    Unseen("dequantize_nf4", lambda codes, absmax: NF4_LEVELS[codes.long()], 1, (r"absmax|scale",), (r"divid",)),
    # one scale for each code: raises
    Unseen("dequantize_nf4", lambda codes, absmax: NF4_LEVELS[codes.long()] * absmax, 2, SHAPE + BLOCK),
    Unseen("dequantize_nf4", dequantize_repeat, 3, (r"repeat|interleave|order|own block|\bblock",), (r"level",)),
    Unseen("dequantize_nf4", dequantize_flat, 4, SHAPE),
    Unseen("dequantize_nf4", dequantize_divides, 5, (r"divi|multipl|times",)),
    Unseen("dequantize_nf4", dequantize_64, 6, (r"\b64\b|block|raise|error",)),
    Unseen("dequantize_nf4", dequantize_uniform, 7, (r"level|equal|even|uniform|spac",), (r"absmax",)),
    # no scale
    Unseen(
        "lora_forward",
        lambda x, weight, a, b, alpha: x @ weight.detach().T + x @ a.T @ b.T,
        1,
        (r"alpha|scal(e|ing|ed)\b",),
        (r"gradient",),
    ),
    # W is not frozen
    Unseen(
        "lora_forward",
        lambda x, weight, a, b, alpha: x @ weight.T + alpha / a.shape[0] * (x @ a.T @ b.T),
        2,
        (r"gradient|detach|frozen",),
        (r"scal(e|ing)",),
    ),
    Unseen("lora_forward", lora_by_inputs, 3, (r"\brank\b",), (r"gradient",)),
    # not divided by the rank
    Unseen(
        "lora_forward",
        lambda x, weight, a, b, alpha: x @ weight.detach().T + alpha * (x @ a.T @ b.T),
        4,
        (r"\brank\b",),
        (r"gradient|alpha is (not|missing)",),
    ),
    Unseen("lora_forward", lora_no_transpose, 5, SHAPE + (r"transpos",)),
    # only the adapter's part
    Unseen(
        "lora_forward",
        lambda x, weight, a, b, alpha: alpha / len(a) * (x @ a.T @ b.T),
        6,
        (r"base|x W|frozen (layer|part)|\bW\b|weight (is|was) (not|missing|left)|x @ weight",),
        (r"gradient",),
    ),
    Unseen("lora_forward", lora_integer_scale, 7, (r"//|integer|alpha|scale|round",), (r"gradient",)),
    Unseen("lora_forward", lora_no_grad, 8, GRADIENT + (r"no_grad|train",)),
    Unseen("lora_forward", lora_freezes_caller, 9, IN_PLACE + (r"requires_grad|detach",)),
    Unseen("lora_forward", lora_two_axes_only, 10, SHAPE + (r"\.\.\.|axes|any",)),
    # no scale
    Unseen("lora_merge", lambda weight, a, b, alpha: weight + b @ a, 1, SCALE),
    # A B in place of B A
    Unseen(
        "lora_merge",
        lambda weight, a, b, alpha: weight + alpha / a.shape[0] * (a @ b),
        2,
        SHAPE + (r"order|B A|b @ a",),
    ),
    Unseen("lora_merge", merge_in_place, 3, IN_PLACE),
    Unseen("lora_merge", merge_transposed, 4, SHAPE + (r"transpos",)),
    # only what is added
    Unseen(
        "lora_merge", lambda weight, a, b, alpha: alpha / len(a) * b @ a, 5, (r"base|weight|\bW\b|add",), (r"scale",)
    ),
    # the rank read off A's columns
    Unseen("lora_merge", lambda weight, a, b, alpha: weight + alpha / a.shape[-1] * b @ a, 6, (r"\brank\b",)),
    # alpha // rank
    Unseen("lora_merge", lambda weight, a, b, alpha: weight + alpha // len(a) * b @ a, 7, (r"//|integer|alpha|scale",)),
    Unseen(
        "completion_logprobs",
        completion_no_shift,
        1,
        (r"shift|position|off by one|before|next|predict|t \+ 1|earlier",),
    ),
    Unseen("completion_logprobs", completion_raw_logits, 2, (r"softmax|normali[sz]|logits",), (r"shift|off by one",)),
    Unseen("completion_logprobs", completion_with_prompt, 3, (r"prompt|shape",), (r"softmax",)),
    Unseen("completion_logprobs", completion_probabilities, 4, (r"\blog|probabilit",), (r"shift|off by one",)),
    Unseen("completion_logprobs", completion_summed, 5, (r"\bsum|each token|every token|shape|one number",)),
    Unseen("completion_logprobs", completion_over_positions, 6, (r"vocabular|axis|dim|last",), (r"off by one",)),
    Unseen("completion_logprobs", completion_unstable, 7, STABLE),
    Unseen(
        "completion_logprobs", completion_likeliest, 8, (r"ids|written|most probable|likeliest|highest|\bmax|actual",)
    ),
    Unseen("completion_logprobs", completion_shift_other_way, 9, (r"shift|position|off by|before|next|earlier|late",)),
    Unseen("dpo_loss", dpo_no_detach, 1, DATA + (r"reference.*gradient|gradient.*reference",)),
    Unseen("dpo_loss", dpo_no_reference, 2, (r"reference|\bref",), (r"detach|gradient",)),
    Unseen(
        "dpo_loss", dpo_swapped, 3, SIGN + (r"chosen (and|minus|-) rejected|rejected (and|minus|-) chosen",), (r"beta",)
    ),
    Unseen("dpo_loss", dpo_no_beta, 4, (r"beta",), (r"detach",)),
    Unseen("dpo_loss", dpo_unstable, 5, STABLE),
    Unseen("dpo_loss", dpo_sum, 6, (r"\bmean|average|\bsum",)),
    Unseen("dpo_loss", dpo_beta_fixed, 7, (r"beta|0\.1",) + CONSTANT),
    Unseen("dpo_loss", dpo_log_of_mean, 8, (r"mean|average|each pair|pair by pair|order",), (r"\bsum\b",)),
]
RIGHT = {
    "quantize_nf4": [quantize_right_loop, quantize_right_edges],
    "dequantize_nf4": [dequantize_right_interleave, dequantize_right_onehot],
    "lora_forward": [
        lambda x, weight, a, b, alpha: F.linear(x, weight.detach()) + alpha / len(a) * F.linear(F.linear(x, a), b),
        lambda x, weight, a, b, alpha: x @ (weight.detach() + b @ a * alpha / b.shape[1]).mT,
    ],
    "lora_merge": [merge_right_sum, lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=alpha / a.shape[0])],
    "completion_logprobs": [completion_right_cross_entropy, completion_right_loop],
    "dpo_loss": [dpo_right_softplus, dpo_right_two_classes],
}
