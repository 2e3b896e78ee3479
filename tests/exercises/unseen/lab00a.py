"""Lab 00, first part: the loss, an interval and the softmax, as students write them."""

import numpy as np
import torch
from scipy.special import log_softmax as scipy_log_softmax

from tests.exercises.unseen.record import GRADIENT, IN_PLACE, MASK, MEAN, ROWS, SHAPE, SIGN, STABLE, Unseen

# sft_loss


def sft_times_mask(logprobs, mask):  # NaN only where -inf stands at padding
    m = mask.float()
    return -(logprobs * m).sum() / m.sum()


def sft_all_positions(logprobs, mask):  # divided by all positions
    return -torch.where(mask, logprobs, 0.0).mean()


def sft_mean_of_means(logprobs, mask):  # each text by itself first
    return -torch.stack([row[m].mean() for row, m in zip(logprobs, mask, strict=True)]).mean()


def sft_number(logprobs, mask):  # a number without a gradient
    return torch.tensor(-logprobs[mask].mean().item())


def sft_perplexity(logprobs, mask):  # exp of the loss
    return torch.exp(-logprobs[mask].mean())


def sft_right_loop(logprobs, mask):
    total, count = 0.0, 0
    for row, keep in zip(logprobs, mask, strict=True):
        for value, real in zip(row, keep, strict=True):
            if real:
                total, count = total - value, count + 1
    return total / count


# bootstrap_mean_interval


def resampled(values, n_resamples, seed):
    rng = np.random.default_rng(seed)
    values = np.asarray(values, dtype=float)
    return rng.choice(values, size=(n_resamples, len(values)), replace=True)


def interval_both_tails(values, level, n_resamples, seed):  # 1 - level off at each end
    means = resampled(values, n_resamples, seed).mean(axis=1)
    return tuple(np.quantile(means, [1 - level, level]))


def interval_without_replacement(values, level, n_resamples, seed):  # a permutation: every mean is the same
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values), replace=False).mean() for _ in range(n_resamples)]
    return tuple(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))


def interval_of_values(values, level, n_resamples, seed):  # percentiles of the values, not of means
    drawn = np.random.default_rng(seed).choice(values, n_resamples)
    return tuple(np.quantile(drawn, [(1 - level) / 2, 1 - (1 - level) / 2]))


def interval_95(values, level, n_resamples, seed):  # 2.5 and 97.5, whatever the level
    means = resampled(values, n_resamples, seed).mean(axis=1)
    return tuple(np.percentile(means, [2.5, 97.5]))


def interval_unscaled_percentiles(values, level, n_resamples, seed):  # percentile wants 0 to 100
    means = resampled(values, n_resamples, seed).mean(axis=1)
    return tuple(np.percentile(means, [(1 - level) / 2, (1 + level) / 2]))


def interval_no_seed(values, level, n_resamples, seed):  # another result at every call
    means = [np.random.choice(values, len(values)).mean() for _ in range(n_resamples)]
    return tuple(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))


def interval_large_samples(values, level, n_resamples, seed):  # n_resamples values in each sample, not n
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, n_resamples).mean() for _ in range(400)]
    return tuple(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))


def interval_medians(values, level, n_resamples, seed):  # medians of the samples
    medians = np.median(resampled(values, n_resamples, seed), axis=1)
    return tuple(np.quantile(medians, [(1 - level) / 2, (1 + level) / 2]))


def interval_of_standard_deviations(values, level, n_resamples, seed):  # two standard deviations of the values
    return np.mean(values) - 1.96 * np.std(values), np.mean(values) + 1.96 * np.std(values)


def interval_wrong_axis(values, level, n_resamples, seed):  # means over the samples: n of them
    means = resampled(values, n_resamples, seed).mean(axis=0)
    return tuple(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))


def interval_right_loop(values, level, n_resamples, seed):
    generator = np.random.RandomState(seed)
    means = []
    for _ in range(n_resamples):
        picked = [values[i] for i in generator.randint(0, len(values), len(values))]
        means.append(sum(picked) / len(picked))
    tail = 100 * (1 - level) / 2
    return float(np.percentile(means, tail)), float(np.percentile(means, 100 - tail))


def interval_right_counts(values, level, n_resamples, seed):
    n, tail = len(values), (1 - level) / 2
    how_often = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    low, high = np.quantile(how_often @ np.asarray(values, dtype=float) / n, [tail, 1 - tail])
    return low, high


# softmax


def softmax_whole_sum(logits):  # divided by the sum of everything
    e = np.exp(logits - logits.max())
    return e / e.sum()


def softmax_whole_maximum(logits):  # the largest of all rows: a row far below becomes 0 / 0
    e = np.exp(logits - logits.max())
    with np.errstate(all="ignore"):
        return e / e.sum(axis=-1, keepdims=True)


def softmax_no_keepdims(logits):  # the sums stand along the wrong axis
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1)


def softmax_first_axis(logits):  # over the runs
    e = np.exp(logits - logits.max(axis=0))
    return e / e.sum(axis=0)


def softmax_clipped(logits):  # logits cut at 50
    e = np.exp(np.clip(logits, -50, 50))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_plain(logits):  # exp overflows
    with np.errstate(all="ignore"):
        e = np.exp(logits)
        return e / e.sum(axis=-1, keepdims=True)


def softmax_in_place(logits):  # shifts the caller's logits
    logits -= logits.max(axis=-1, keepdims=True)
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def softmax_two_axes(logits):  # works on a table only
    return np.array([np.exp(row - max(row)) / sum(np.exp(row - max(row))) for row in logits])


def softmax_right_pairs(logits):
    x = np.asarray(logits, dtype=float)
    with np.errstate(over="ignore"):
        return 1 / np.exp(x[..., None, :] - x[..., :, None]).sum(axis=-1)


UNSEEN = [
    # prompt and padding are counted
    Unseen("sft_loss", lambda logprobs, mask: -logprobs.mean(), 1, MASK + (r"prompt",)),
    # no minus
    Unseen("sft_loss", lambda logprobs, mask: logprobs[mask].mean(), 2, SIGN, MASK),
    Unseen("sft_loss", sft_mean_of_means, 3, ROWS, (r"\bnan\b",)),
    # the sum
    Unseen("sft_loss", lambda logprobs, mask: -logprobs[mask].sum(), 4, MEAN, SIGN),
    Unseen("sft_loss", sft_all_positions, 5, (r"divid|count|number of|denominator|padding|prompt",)),
    Unseen("sft_loss", sft_number, 7, GRADIENT),
    Unseen("sft_loss", sft_perplexity, 8, (r"\bexp|perplex|nats|logarithm",)),
    Unseen(
        "bootstrap_mean_interval",
        interval_both_tails,
        1,
        (r"tail|each (end|side)|half|\(1 ?- ?level\) ?/ ?2|narrow|both (ends|sides)|middle",),
    ),
    Unseen("bootstrap_mean_interval", interval_95, 2, (r"level|2\.5|95|hard-?coded",)),
    Unseen(
        "bootstrap_mean_interval",
        interval_of_values,
        3,
        (r"of (the )?means|mean of|values themselves|wide|each resample|not (of )?the values",),
    ),
    Unseen(
        "bootstrap_mean_interval", interval_without_replacement, 4, (r"replacement|same mean|permut|no width|equal",)
    ),
    Unseen("bootstrap_mean_interval", interval_no_seed, 5, (r"seed|same (result|numbers)|twice|reproduc|generator",)),
    Unseen("bootstrap_mean_interval", interval_unscaled_percentiles, 6, (r"percent|100|quantile|narrow|low|scale",)),
    Unseen(
        "bootstrap_mean_interval",
        interval_large_samples,
        7,
        (r"\bn\b values|len\(values\)|n_resamples|as many|size|narrow",),
    ),
    Unseen(
        "bootstrap_mean_interval",
        interval_medians,
        8,
        (r"median|not the mean|of the mean|means? of",),
        (r"replacement|level",),
    ),
    Unseen(
        "bootstrap_mean_interval",
        interval_of_standard_deviations,
        9,
        (r"standard dev|root of n|too wide|standard error|normal (distribution|approx)|resampl|of (the )?means",),
        (r"replacement|seed",),
    ),
    Unseen(
        "bootstrap_mean_interval",
        interval_wrong_axis,
        10,
        (r"axis|narrow|each (sample|resample)|wrong way|over the (resamples|samples)|n_resamples means",),
    ),
    Unseen("softmax", softmax_plain, 1, STABLE),
    Unseen(
        "softmax",
        softmax_whole_sum,
        2,
        (r"axis|each row|every row|each policy|row|last|sum of everything|all rows",),
        (r"overflow",),
    ),
    Unseen("softmax", softmax_no_keepdims, 3, SHAPE + (r"keepdim|row|axis",)),
    Unseen("softmax", softmax_first_axis, 4, (r"axis|row|column|last|runs",), (r"overflow",)),
    # no exponential
    Unseen(
        "softmax",
        lambda logits: logits / logits.sum(axis=-1, keepdims=True),
        5,
        (r"\bexp|negative",),
        (r"overflow|underflow",),
    ),
    Unseen("softmax", softmax_whole_maximum, 6, STABLE + (r"own|each row",)),
    Unseen("softmax", softmax_in_place, 7, IN_PLACE),
    Unseen("softmax", softmax_clipped, 8, STABLE + (r"clip|cut|any size",)),
    # the logarithm
    Unseen("softmax", lambda logits: scipy_log_softmax(logits, axis=-1), 9, (r"\blog|probabilit|sum to 1",)),
    Unseen("softmax", softmax_two_axes, 10, SHAPE + (r"one policy|\.\.\.|single|iterab|last",)),
]
RIGHT = {
    "sft_loss": [
        sft_right_loop,
        sft_times_mask,  # right: the statement says that what stands elsewhere is finite
        lambda logprobs, mask: logprobs.masked_fill(~mask, 0.0).sum().neg() / mask.sum(),
    ],
    "bootstrap_mean_interval": [interval_right_loop, interval_right_counts],
    "softmax": [softmax_right_pairs, lambda logits: torch.tensor(np.asarray(logits, float)).softmax(-1).numpy()],
}
