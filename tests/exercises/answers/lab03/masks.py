"""Answers to the exercises of lab 03: means and whitening over the real tokens."""

import torch


def mean_by_loop(x, mask):
    total, count = 0.0, 0
    for row, real in zip(x, mask, strict=True):
        for value, counts in zip(row, real, strict=True):
            if counts:
                total, count = total + value, count + 1
    return total / count


def mean_by_where(mask, x):
    return torch.where(mask, x, torch.zeros_like(x)).sum() / mask.float().sum()


def mean_by_select(values, real):
    return torch.masked_select(values, real).mean()


def mean_of_all(x, mask):
    return x.sum() / x.numel()


def mean_with_zeros(x, mask):
    return x.masked_fill(~mask, 0.0).mean()


def mean_of_responses(x, mask):
    return torch.stack([row[real].mean() for row, real in zip(x, mask, strict=True)]).mean()


def mean_each_response(x, mask):
    return torch.stack([row[real].mean() for row, real in zip(x, mask, strict=True)])


def sum_of_real(x, mask):
    return x[mask].sum()


def mean_by_product(x, mask):
    weights = mask.float() / mask.float().sum()
    return (weights * x).sum()


def whiten_by_standardizing(x, mask):
    real = x[mask]
    result = torch.zeros_like(x)
    result[mask] = (real - real.mean()) / (real.std() + 1e-8)
    return result


def whiten_by_sums(mask, x):
    count = mask.sum()
    mean = torch.where(mask, x, 0.0).sum() / count
    variance = torch.where(mask, (x - mean) ** 2, 0.0).sum() / (count - 1)
    return torch.where(mask, (x - mean) / torch.sqrt(variance + 1e-8), 0.0)


def whiten_all(x, mask):
    return ((x - x.mean()) / torch.sqrt(x.var() + 1e-8)).masked_fill(~mask, 0)


def whiten_rows(x, mask):
    result = torch.zeros_like(x)
    for i, real in enumerate(mask):
        row = x[i, real]
        result[i, real] = (row - row.mean()) / (row.var() + 1e-8).sqrt()
    return result


def whiten_and_forget_padding(x, mask):
    real = x[mask]
    return (x - real.mean()) / (real.var() + 1e-8) ** 0.5


def whiten_by_variance(x, mask):
    real = x[mask]
    return torch.where(mask, (x - real.mean()) / (real.var() + 1e-8), 0.0)


def only_scale(x, mask):
    return x.masked_fill(~mask, 0) / (x[mask].var() + 1e-8).sqrt()


def only_shift(x, mask):
    return (x - x[mask].mean()).masked_fill(~mask, 0)


def whiten_by_n(x, mask):
    mean = x[mask].mean()
    return ((x - mean) / (((x[mask] - mean) ** 2).mean() + 1e-8).sqrt()).masked_fill(~mask, 0)


def whiten_without_epsilon(x, mask):
    result = torch.zeros_like(x)
    result[mask] = (x[mask] - x[mask].mean()) / x[mask].var().sqrt()
    return result


def mean_of_what_is_not_zero(x, mask):
    kept = [value for value in torch.where(mask, x, torch.zeros_like(x)).flatten() if value != 0]
    return sum(kept) / len(kept)


def whiten_columns(x, mask):
    return whiten_rows(x.T, mask.T).T


def whiten_by_product(x, mask):
    real = x[mask]
    return (x - real.mean()) / torch.sqrt(real.var() + 1e-8) * mask.float()


RIGHT = {
    "masked_mean": [mean_by_loop, mean_by_where, mean_by_select],
    "masked_whiten": [whiten_by_standardizing, whiten_by_sums],
}
WRONG = {
    "masked_mean": {
        "padding": [mean_of_all],
        "zeros counted": [mean_with_zeros],
        "per response": [mean_of_responses],
        "vector": [mean_each_response],
        "sum": [sum_of_real],
        "nan": [mean_by_product],
        "sum of a response": [lambda x, mask: x.masked_fill(~mask, 0).sum(dim=1).sum() / x.size(0)],
        "inverted mask": [lambda x, mask: torch.masked_select(x, mask.logical_not()).mean()],
        "drops zeros": [mean_of_what_is_not_zero],
    },
    "masked_whiten": {
        "padding": [whiten_all],
        "per response": [whiten_rows],
        "padding kept": [whiten_and_forget_padding],
        "variance": [whiten_by_variance],
        "not shifted": [only_scale],
        "not scaled": [only_shift],
        "biased": [whiten_by_n],
        "zero variance": [whiten_without_epsilon],
        "per column": [whiten_columns],
        "nan": [whiten_by_product],
        "multiplies": [lambda x, mask: ((x - x[mask].mean()) * x[mask].std()).masked_fill(~mask, 0)],
        "brackets": [lambda x, mask: torch.where(mask, x / (x[mask].var() + 1e-8).sqrt() - x[mask].mean(), 0.0)],
        "sum of squares": [
            lambda x, mask: torch.where(
                mask, (x - x[mask].mean()) / ((x[mask] - x[mask].mean()).square().sum() + 1e-8).sqrt(), 0.0
            )
        ],
        "inverted mask": [lambda x, mask: whiten_by_standardizing(x, ~mask)],
        "flat": [lambda x, mask: (x[mask] - x[mask].mean()) / (x[mask].std() + 1e-8)],
    },
}
