"""Answers to the exercises of lab 03: LoRA."""

import math

import torch
from torch.nn import functional as F


def lora_by_linear(x, weight, a, b, alpha):
    return F.linear(x, weight.detach()) + F.linear(F.linear(x, a), b) * (alpha / a.shape[0])


def lora_by_merging(a, b, x, alpha, weight):
    return F.linear(x, weight.detach() + alpha / b.shape[1] * b @ a)


def lora_by_einsum(x, weight, a, b, alpha):
    update = torch.einsum("...i,ri,or->...o", x, a, b)
    with torch.no_grad():
        frozen = weight.clone()
    return torch.einsum("...i,oi->...o", x, frozen) + update * alpha / len(a)


def lora_times_alpha(x, weight, a, b, alpha):
    return F.linear(x, weight + alpha * b @ a)


def lora_unscaled(x, weight, a, b, alpha):
    return F.linear(x, weight + b @ a)


def lora_scaled_inversely(x, weight, a, b, alpha):
    return F.linear(x, weight) + len(a) / alpha * F.linear(F.linear(x, a), b)


def lora_b_first(x, weight, a, b, alpha):
    return F.linear(x, weight) + alpha / len(a) * F.linear(F.linear(x, b), a)


def lora_on_transposed_base(x, weight, a, b, alpha):
    return F.linear(x, weight.T) + alpha / len(a) * F.linear(F.linear(x, a), b)


def lora_without_base(x, weight, a, b, alpha):
    return F.linear(F.linear(x, a), b) * (alpha / len(a))


def lora_training_the_base(x, weight, a, b, alpha):
    return F.linear(x, weight) + alpha / len(a) * F.linear(F.linear(x, a), b)


def merge_by_outer_products(weight, a, b, alpha):
    merged = weight.clone()
    for i in range(len(a)):
        merged += alpha / len(a) * torch.outer(b[:, i], a[i])
    return merged


def merge_by_addmm(a, b, weight, alpha):
    return torch.addmm(weight, b, a, alpha=alpha / a.shape[0])


def merge_in_the_wrong_order(weight, a, b, alpha):
    return torch.addmm(weight, a, b, alpha=alpha / a.shape[0])


def merge_transposed(weight, a, b, alpha):
    return weight + alpha / a.shape[0] * torch.mm(a.T, b.T)


def merge_times_alpha(weight, a, b, alpha):
    return torch.addmm(weight, b, a, alpha=alpha)


def merge_unscaled(weight, a, b, alpha):
    return torch.addmm(weight, b, a)


def merge_the_update_alone(weight, a, b, alpha):
    return torch.mm(b, a) * alpha / a.shape[0]


def unmerge(weight, a, b, alpha):
    return torch.addmm(weight, b, a, alpha=-alpha / a.shape[0])


def lora_beside_a_constant(x, weight, a, b, alpha):
    with torch.no_grad():
        base = F.linear(x, weight)
    return base + alpha / len(a) * F.linear(F.linear(x, a), b)


RIGHT = {
    "lora_forward": [lora_by_linear, lora_by_merging, lora_by_einsum],
    "lora_merge": [merge_by_outer_products, merge_by_addmm],
}
WRONG = {
    "lora_forward": {
        "axes": [lambda x, weight, a, b, alpha: torch.einsum("bi,oi->bo", x, weight + alpha / len(a) * b @ a)],
        "freezes the caller": [
            lambda x, weight, a, b, alpha: lora_training_the_base(x, weight.requires_grad_(False), a, b, alpha)
        ],
        "alpha": [lora_times_alpha],
        "no scale": [lora_unscaled],
        "inverse scale": [lora_scaled_inversely],
        "swapped": [lora_b_first],
        "base transposed": [lora_on_transposed_base],
        "update only": [lora_without_base],
        "base trains": [lora_training_the_base],
        "wrong dimension": [
            lambda x, weight, a, b, alpha: F.linear(x, weight) + alpha / a.size(1) * F.linear(F.linear(x, a), b)
        ],
        "whole division": [
            lambda x, weight, a, b, alpha: F.linear(x, weight) + F.linear(F.linear(x, a), b) * (alpha // a.size(0))
        ],
        "no alpha": [lambda x, weight, a, b, alpha: F.linear(x, weight) + F.linear(F.linear(x, a), b) / a.size(0)],
        "root": [
            lambda x, weight, a, b, alpha: (
                F.linear(x, weight) + F.linear(F.linear(x, a), b) * alpha / math.sqrt(a.size(0))
            )
        ],
        "product": [
            lambda x, weight, a, b, alpha: F.linear(x, weight) + F.linear(F.linear(x, a), b) * alpha * b.size(1)
        ],
        "scale on all": [
            lambda x, weight, a, b, alpha: (alpha / a.size(0)) * (F.linear(x, weight) + F.linear(F.linear(x, a), b))
        ],
        "minus": [lambda x, weight, a, b, alpha: F.linear(x, weight) - F.linear(F.linear(x, a), b) * alpha / a.size(0)],
        "update transposed": [
            lambda x, weight, a, b, alpha: F.linear(x, weight) + (alpha / a.size(0)) * torch.matmul(x, torch.mm(b, a))
        ],
        "base output twice": [
            lambda x, weight, a, b, alpha: (
                F.linear(x, weight) + alpha / a.size(0) * F.linear(F.linear(F.linear(x, weight), a), b)
            )
        ],
        "half an adapter": [lambda x, weight, a, b, alpha: F.linear(x, weight) + alpha / a.size(0) * F.linear(x, a)],
        "base output detached": [lora_beside_a_constant],
        "adapter detached": [lambda x, weight, a, b, alpha: F.linear(x, (weight + alpha / len(a) * b @ a).detach())],
    },
    "lora_merge": {
        "order": [merge_in_the_wrong_order],
        "transposed": [merge_transposed],
        "alpha": [merge_times_alpha],
        "no scale": [merge_unscaled],
        "update only": [merge_the_update_alone],
        "minus": [unmerge],
        "wrong dimension": [lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=alpha / b.shape[0])],
        "whole division": [lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=alpha // a.shape[0])],
        "no alpha": [lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=1 / a.shape[0])],
        "root": [lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=alpha / math.sqrt(a.shape[0]))],
        "product": [lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=alpha * a.shape[0])],
        "inverse scale": [lambda weight, a, b, alpha: torch.addmm(weight, b, a, alpha=a.shape[0] / alpha)],
        "scale on all": [lambda weight, a, b, alpha: torch.addmm(weight, b, a) * (alpha / a.shape[0])],
        "entry by entry": [lambda weight, a, b, alpha: weight + torch.mul(b, a) * alpha / a.shape[0]],
        "base transposed": [lambda weight, a, b, alpha: torch.addmm(weight.T, b, a, alpha=alpha / a.shape[0])],
    },
}
