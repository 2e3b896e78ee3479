"""Lab 03, first part: the policy gradient and PPO's losses, as students write them."""

import torch

from tests.exercises.unseen.record import DATA, GRADIENT, IN_PLACE, MASK, MEAN, NAN, ROWS, SHAPE, SIGN, Unseen


def mean_over(x, mask):
    return torch.where(mask, x, torch.zeros_like(x)).sum() / mask.sum()


# masked_mean


def masked_mean_times_mask(x, mask):  # NaN * 0 is NaN
    m = mask.float()
    return (x * m).sum() / m.sum()


def masked_mean_all_positions(x, mask):  # the sum leaves padding out, the count does not
    kept = torch.where(mask, x, torch.zeros_like(x))
    return kept.mean()


def masked_mean_of_means(x, mask):  # mean of each response first, so short responses weigh more
    means = []
    for row, m in zip(x, mask, strict=True):
        means.append(row[m].mean())
    return torch.stack(means).mean()


def masked_mean_per_row(x, mask):  # one mean for each response
    return x.masked_fill(~mask, 0).sum(dim=1) / mask.sum(dim=1)


def masked_mean_item(x, mask):  # a Python number: the gradient is lost
    return torch.tensor(x[mask].mean().item())


def masked_mean_writes_zeros(x, mask):  # overwrites the padding of the caller's tensor
    x.data[~mask] = 0.0
    return x.sum() / mask.sum()


def masked_mean_loop_right(x, mask):
    total, count = x.new_zeros(()), 0
    for i in range(x.shape[0]):
        for t in range(x.shape[1]):
            if mask[i, t]:
                total = total + x[i, t]
                count += 1
    return total / count


# reinforce_loss


def reinforce_no_detach(logprobs, advantages, mask):  # a gradient flows into the advantages
    return -mean_over(advantages * logprobs, mask)


def reinforce_sum(logprobs, advantages, mask):  # sum instead of mean
    loss = -logprobs * advantages.detach()
    return loss[mask].sum()


def reinforce_product_of_means(logprobs, advantages, mask):  # mean(A) * mean(log p) is not mean(A log p)
    return -mean_over(advantages.detach(), mask) * mean_over(logprobs, mask)


def reinforce_per_response(logprobs, advantages, mask):  # log-probabilities summed over a response, mean over the batch
    per_text = torch.where(mask, logprobs * advantages.detach(), 0.0).sum(1)
    return -per_text.mean()


def reinforce_all_detached(logprobs, advantages, mask):  # detaches what should learn
    with torch.no_grad():
        return -mean_over(advantages * logprobs, mask)


def reinforce_loop_right(logprobs, advantages, mask):
    terms = [-(a.detach() * lp) for lp, a, m in zip(logprobs.flatten(), advantages.flatten(), mask.flatten()) if m]  # noqa: B905
    return sum(terms) / len(terms)


# clipped_policy_loss


def policy_max(logprobs, old_logprobs, advantages, mask, clip=0.2):  # max of the gains instead of min
    ratio = (logprobs - old_logprobs.detach()).exp()
    a = advantages.detach()
    gain = torch.max(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)
    return -mean_over(gain, mask)


def policy_only_clipped(logprobs, old_logprobs, advantages, mask, clip=0.2):  # no minimum: only the clipped gain
    ratio = torch.exp(logprobs - old_logprobs.detach())
    return -mean_over(torch.clamp(ratio, 1 - clip, 1 + clip) * advantages.detach(), mask)


def policy_no_detach(logprobs, old_logprobs, advantages, mask, clip=0.2):  # data is not detached
    rho = torch.exp(logprobs - old_logprobs)
    l1, l2 = rho * advantages, torch.clamp(rho, 1 - clip, 1 + clip) * advantages
    return -torch.minimum(l1, l2)[mask].mean()


def policy_no_exp(logprobs, old_logprobs, advantages, mask, clip=0.2):  # the log-ratio taken for the ratio
    ratio = logprobs - old_logprobs.detach()
    adv = advantages.detach()
    return -mean_over(torch.min(ratio * adv, ratio.clamp(1 - clip, 1 + clip) * adv), mask)


def policy_no_mask(logprobs, old_logprobs, advantages, mask, clip=0.2):  # padding counted
    ratio = torch.exp(logprobs - old_logprobs.detach())
    adv = advantages.detach()
    return -torch.min(ratio * adv, torch.clamp(ratio, 1 - clip, 1 + clip) * adv).mean()


def policy_ratio_inverted(logprobs, old_logprobs, advantages, mask, clip=0.2):  # old / new
    ratio = (old_logprobs.detach() - logprobs).exp()
    adv = advantages.detach()
    return -mean_over(torch.min(ratio * adv, ratio.clamp(1 - clip, 1 + clip) * adv), mask)


def policy_max_of_losses(logprobs, old_logprobs, advantages, mask, clip=0.2):  # min of the negated gains
    ratio = (logprobs - old_logprobs.detach()).exp()
    adv = advantages.detach()
    return mean_over(torch.min(-ratio * adv, -ratio.clamp(1 - clip, 1 + clip) * adv), mask)


def policy_clip_constant(logprobs, old_logprobs, advantages, mask, clip=0.2):  # 0.8 and 1.2 hard-coded
    ratio = (logprobs - old_logprobs.detach()).exp()
    adv = advantages.detach()
    return -mean_over(torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv), mask)


def policy_clip_above_only(logprobs, old_logprobs, advantages, mask, clip=0.2):  # no lower bound
    ratio = (logprobs - old_logprobs.detach()).exp()
    adv = advantages.detach()
    return -mean_over(torch.min(ratio * adv, ratio.clamp(max=1 + clip) * adv), mask)


def policy_log_clip(logprobs, old_logprobs, advantages, mask, clip=0.2):  # clips the log-ratio to +-clip
    log_ratio = logprobs - old_logprobs.detach()
    adv = advantages.detach()
    return -mean_over(torch.min(log_ratio.exp() * adv, log_ratio.clamp(-clip, clip).exp() * adv), mask)


def policy_right_where(logprobs, old_logprobs, advantages, mask, clip=0.2):
    adv, ratio = advantages[mask].detach(), torch.exp(logprobs[mask] - old_logprobs[mask].detach())
    bound = torch.where(adv >= 0, torch.full_like(ratio, 1 + clip), torch.full_like(ratio, 1 - clip))
    stops = ((adv >= 0) & (ratio > bound)) | ((adv < 0) & (ratio < bound))
    return -(torch.where(stops, bound, ratio) * adv).mean()


def policy_right_losses(logprobs, old_logprobs, advantages, mask, clip=0.2):
    old, adv = old_logprobs.detach(), advantages.detach()
    ratio = torch.where(mask, logprobs - old, torch.zeros_like(old)).exp()
    adv = torch.where(mask, adv, torch.zeros_like(adv))
    return torch.stack([-ratio * adv, -torch.clip(ratio, 1 - clip, 1 + clip) * adv]).amax(dim=0).sum() / mask.sum()


# gae


def gae_loop(rewards, values, mask, gamma, lam):
    m = mask.to(values.dtype)
    v, r = torch.where(mask, values, 0.0), torch.where(mask, rewards, 0.0)
    adv, last = torch.zeros_like(v), torch.zeros_like(v[:, 0])
    for t in reversed(range(v.shape[1])):
        nxt = v[:, t + 1] if t + 1 < v.shape[1] else torch.zeros_like(last)
        last = (r[:, t] + gamma * nxt - v[:, t] + gamma * lam * last) * m[:, t]
        adv[:, t] = last
    return adv, (adv + v) * m


def gae_padding_value(rewards, values, mask, gamma=1.0, lam=0.95):  # V at padding is taken as the next value
    T = rewards.shape[1]
    adv = torch.zeros_like(rewards)
    lastgaelam = 0
    for t in reversed(range(T)):
        nextvalues = values[:, t + 1] if t < T - 1 else 0.0
        delta = rewards[:, t] + gamma * nextvalues - values[:, t]
        lastgaelam = (delta + gamma * lam * lastgaelam) * mask[:, t]
        adv[:, t] = lastgaelam
    return adv, (adv + values) * mask


def gae_delta_only(rewards, values, mask, gamma=1.0, lam=0.95):  # no recursion: the deltas are returned
    v = values * mask
    nxt = torch.cat([v[:, 1:], torch.zeros_like(v[:, :1])], dim=1)
    adv = (rewards + gamma * nxt - v) * mask
    return adv, adv + v


def gae_no_lambda(rewards, values, mask, gamma=1.0, lam=0.95):  # lambda is forgotten in the recursion
    return gae_loop(rewards, values, mask, gamma, 1.0)


def gae_returns_rewards(rewards, values, mask, gamma=1.0, lam=0.95):  # returns are advantages + rewards
    adv, _ = gae_loop(rewards, values, mask, gamma, lam)
    return adv, (adv + rewards) * mask


def gae_returns_at_padding(rewards, values, mask, gamma=1.0, lam=0.95):  # returns keep the values at padding
    adv, _ = gae_loop(rewards, values, mask, gamma, lam)
    return adv, adv + values


def gae_forward(rewards, values, mask, gamma=1.0, lam=0.95):  # runs forwards: A_t takes A_{t-1}
    v = values * mask
    adv, carry = torch.zeros_like(v), torch.zeros(len(v))
    for t in range(v.shape[1]):
        nxt = v[:, t + 1] if t + 1 < v.shape[1] else 0.0
        carry = rewards[:, t] + gamma * nxt - v[:, t] + gamma * lam * carry
        adv[:, t] = carry
    adv = adv * mask
    return adv, (adv + v) * mask


def gae_last_value_again(rewards, values, mask, gamma=1.0, lam=0.95):  # bootstraps the end with its own value
    v, adv, carry = values * mask, torch.zeros_like(values), torch.zeros_like(values[:, 0])
    for t in range(v.shape[1] - 1, -1, -1):
        after = v[:, t + 1] * mask[:, t + 1] + v[:, t] * ~mask[:, t + 1] if t + 1 < v.shape[1] else v[:, t]
        carry = (rewards[:, t] + gamma * after - v[:, t] + gamma * lam * carry) * mask[:, t]
        adv[:, t] = carry
    return adv, adv + v


def gae_gamma_once(rewards, values, mask, gamma=1.0, lam=0.95):  # gamma is left out of A_t's recursion
    v = torch.where(mask, values, 0.0)
    advantages, a = [], torch.zeros(v.shape[0])
    following = torch.zeros(v.shape[0])
    for t in range(v.shape[1])[::-1]:
        a = torch.where(mask[:, t], rewards[:, t] + gamma * following - v[:, t] + lam * a, 0.0)
        following = v[:, t]
        advantages.insert(0, a)
    advantages = torch.stack(advantages, dim=1)
    return advantages, (advantages + v) * mask


def gae_zeroes_values_in_place(rewards, values, mask, gamma=1.0, lam=0.95):  # overwrites the caller's values
    values[~mask] = 0.0
    return gae_loop(rewards, values, mask, gamma, lam)


def gae_right_double_loop(rewards, values, mask, gamma=1.0, lam=0.95):
    adv, ret = torch.zeros_like(values), torch.zeros_like(values)
    for i in range(values.shape[0]):
        n = int(mask[i].sum())
        a = 0.0
        for t in range(n - 1, -1, -1):
            ahead = values[i, t + 1] if t + 1 < n else 0.0
            a = rewards[i, t] + gamma * ahead - values[i, t] + gamma * lam * a
            adv[i, t], ret[i, t] = a, a + values[i, t]
    return adv, ret


def gae_right_matrix(rewards, values, mask, gamma=1.0, lam=0.95):
    v, r = values.masked_fill(~mask, 0), rewards.masked_fill(~mask, 0)
    delta = r + gamma * torch.nn.functional.pad(v, (0, 1))[:, 1:] - v
    steps = torch.arange(v.shape[1])
    ahead = (steps[None, :] - steps[:, None]).clamp(min=0)
    power = torch.triu(torch.as_tensor(gamma * lam, dtype=v.dtype) ** ahead)
    adv = torch.einsum("ts,bs->bt", power, delta) * mask
    return adv, (adv + v) * mask


UNSEEN = [
    # ignores the mask
    Unseen("masked_mean", lambda x, mask: x.mean(), 1, MASK),
    Unseen("masked_mean", masked_mean_times_mask, 2, NAN),
    Unseen("masked_mean", masked_mean_all_positions, 3, (r"divid|count|denominator|number of|padding",)),
    Unseen("masked_mean", masked_mean_of_means, 4, ROWS, (r"\bnan\b",)),
    Unseen("masked_mean", masked_mean_per_row, 5, SHAPE, (r"\bnan\b",)),
    # the mask turned round: mean of the padding
    Unseen("masked_mean", lambda x, mask: x[~mask].mean(), 6, (r"padding|invert|turned|opposite|not mask|~",)),
    Unseen("masked_mean", masked_mean_item, 7, GRADIENT),
    Unseen("masked_mean", masked_mean_writes_zeros, 8, IN_PLACE),
    # the minus is missing
    Unseen("reinforce_loss", lambda logprobs, advantages, mask: (logprobs * advantages.detach())[mask].mean(), 1, SIGN),
    Unseen("reinforce_loss", reinforce_no_detach, 2, DATA),
    # padding counted
    Unseen("reinforce_loss", lambda logprobs, advantages, mask: -(logprobs * advantages.detach()).mean(), 3, MASK),
    Unseen("reinforce_loss", reinforce_sum, 4, MEAN, SIGN),
    # the probability in place of its logarithm
    Unseen(
        "reinforce_loss",
        lambda logprobs, advantages, mask: -(logprobs.exp() * advantages.detach())[mask].mean(),
        5,
        (r"\bexp|probabilit\w+,? (not|instead|in place|rather)|logarithm|\blog\b",),
        (r"detach", *MASK),
    ),
    Unseen("reinforce_loss", reinforce_product_of_means, 6, (r"product|each token|token by token|mean",), (r"detach",)),
    Unseen("reinforce_loss", reinforce_per_response, 7, ROWS + MEAN),
    Unseen("reinforce_loss", reinforce_all_detached, 8, (r"gradient|requires_grad|no_grad|detach",)),
    Unseen("clipped_policy_loss", policy_max, 1, (r"\bmin|smaller|larger|\bmax",)),
    Unseen("clipped_policy_loss", policy_no_detach, 2, DATA),
    Unseen(
        "clipped_policy_loss", policy_only_clipped, 3, (r"\bmin|smaller|unclipped|only (the )?clipped|always clip",)
    ),
    Unseen(
        "clipped_policy_loss",
        policy_no_exp,
        4,
        (r"\bexp|log-ratio|logarithm|not (a|the) ratio|difference",),
        (r"\bmax\b|padding",),
    ),
    Unseen("clipped_policy_loss", policy_no_mask, 5, MASK),
    Unseen(
        "clipped_policy_loss", policy_ratio_inverted, 6, (r"invert|upside|new ?/ ?old|old ?/ ?new|swap|turned|revers",)
    ),
    Unseen("clipped_policy_loss", policy_max_of_losses, 7, (r"\bmin|smaller|larger|\bmax",)),
    Unseen("clipped_policy_loss", policy_clip_constant, 8, (r"\bclip\b|0\.8|1\.2|epsilon|hard-?coded",), (r"\bmax\b",)),
    Unseen(
        "clipped_policy_loss", policy_clip_above_only, 9, (r"below|lower|1 ?- ?(clip|eps)|both|negative|bad token",)
    ),
    Unseen("clipped_policy_loss", policy_log_clip, 10, (r"log-?ratio|logarithm|1 ?[-+] ?(clip|eps)|bounds?|\bexp",)),
    Unseen("gae", gae_padding_value, 1, (r"padding|after the (last|end)|mask|last real",), (r"lambda|gamma",)),
    Unseen("gae", gae_returns_rewards, 2, (r"returns?",), (r"lambda",)),
    Unseen("gae", gae_delta_only, 3, (r"A_?\(?t ?\+ ?1|recurs|next advantage|later|backward|delta|lambda|carr",)),
    Unseen("gae", gae_no_lambda, 4, (r"lam",), (r"padding",)),
    Unseen("gae", gae_forward, 5, (r"backward|forward|direction|revers|later|from the end|from the last|wrong way",)),
    Unseen("gae", gae_returns_at_padding, 6, (r"padding|mask",), (r"lambda|gamma",)),
    Unseen(
        "gae",
        gae_last_value_again,
        7,
        (r"last (real )?(token|step|value)|bootstrap|(after|past) the (last|end)|nothing (comes|follows)|own value",),
        (r"lambda|gamma",),
    ),
    Unseen("gae", gae_gamma_once, 8, (r"gamma",)),
    Unseen("gae", gae_zeroes_values_in_place, 9, IN_PLACE),
]
RIGHT = {
    "masked_mean": [lambda x, mask: torch.masked_select(x, mask).mean(), masked_mean_loop_right],
    "reinforce_loss": [
        lambda logprobs, advantages, mask: (
            -torch.dot(advantages.detach()[mask], logprobs[mask]) / torch.count_nonzero(mask)
        ),
        reinforce_loop_right,
    ],
    "clipped_policy_loss": [policy_right_where, policy_right_losses],
    "gae": [gae_right_double_loop, gae_right_matrix],
}
