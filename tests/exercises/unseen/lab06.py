"""Lab 06: direct alignment, as students write its exercises."""

import torch

from tests.exercises.unseen.record import IN_PLACE, SAMPLE, SHAPE, SIGN, STABLE, Unseen

# optimal_policy


def optimal_overflows(ref_logprobs, rewards, beta):  # exp(reward / beta) is infinite
    weight = ref_logprobs.exp() * torch.exp(rewards / beta)
    return torch.log(weight / weight.sum())


def optimal_no_reference_in_z(ref_logprobs, rewards, beta):  # Z without the reference
    return ref_logprobs + rewards / beta - torch.logsumexp(rewards / beta, dim=0)


def optimal_shifts_too_late(ref_logprobs, rewards, beta):  # log of an exponential that is 0: -inf
    shifted = (rewards - rewards.max()) / beta
    return torch.log(ref_logprobs.exp() * shifted.exp() / (ref_logprobs.exp() * shifted.exp()).sum())


def optimal_right_loop(ref_logprobs, rewards, beta):
    terms = [lp + r / beta for lp, r in zip(ref_logprobs, rewards, strict=True)]
    z = terms[0]
    for term in terms[1:]:
        z = torch.logaddexp(z, term)
    return torch.stack(terms) - z


# implicit_reward


def implicit_standardized(logprobs, ref_logprobs, beta):  # standard deviation 1 as well
    r = beta * (logprobs - ref_logprobs)
    return (r - r.mean()) / r.std()


def implicit_mean_first(logprobs, ref_logprobs, beta):  # the mean of the log-ratio, without beta
    h = logprobs - ref_logprobs
    return beta * h - h.mean()


def implicit_policy_mean(logprobs, ref_logprobs, beta):  # expectation under the policy, not the mean
    r = beta * (logprobs - ref_logprobs)
    return r - (logprobs.exp() * r).sum()


def implicit_right_matrix(logprobs, ref_logprobs, beta):
    n = len(logprobs)
    center = torch.eye(n, dtype=logprobs.dtype) - 1 / n
    return beta * center @ (logprobs - ref_logprobs)


# group_advantages


def advantages(rewards, scaled, baseline, spread):
    centered = rewards - baseline
    return torch.where(spread > 0, centered / spread, 0 * centered) if scaled else centered


def group_mean_of_all(rewards, scaled):  # RLOO subtracts the mean with itself in it
    same = (rewards == rewards[:, :1]).all(1, keepdim=True)
    out = rewards - rewards.mean(dim=1, keepdim=True)
    return torch.where(same, 0, out / rewards.std(dim=1, keepdim=True)) if scaled else out


def rloo(rewards):
    k = rewards.shape[1]
    return rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / (k - 1)


def grpo(rewards, correction=1, eps=1e-12):
    same = (rewards == rewards[:, :1]).all(1, keepdim=True)
    scaled = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, correction=correction, keepdim=True) + eps)
    return scaled.masked_fill(same, 0)


def group_population(rewards, scaled):  # the standard deviation divides by k
    return grpo(rewards, correction=0) if scaled else rloo(rewards)


def group_nan(rewards, scaled):  # 0 / 0 where all of a group are equal
    if not scaled:
        return rloo(rewards)
    return (rewards - rewards.mean(dim=1, keepdim=True)) / rewards.std(dim=1, keepdim=True)


def group_whole_batch(rewards, scaled):  # mean and spread of all prompts together
    return (rewards - rewards.mean()) / (rewards.std() + 1e-8) if scaled else rloo(rewards)


def group_others_over_k(rewards, scaled):  # the others' sum divided by k
    k = rewards.shape[1]
    return grpo(rewards) if scaled else rewards - (rewards.sum(1, keepdim=True) - rewards) / k


def group_flag_inverted(rewards, scaled):  # scaled the wrong way round
    return rloo(rewards) if scaled else grpo(rewards)


def group_axis_zero(rewards, scaled):  # over the prompts
    return group_nan(rewards.T, scaled).T.nan_to_num()


def group_loo_scaled(rewards, scaled):  # GRPO with RLOO's baseline
    if not scaled:
        return rloo(rewards)
    sd = rewards.std(dim=1, keepdim=True)
    return torch.where(sd > 1e-7, rloo(rewards) / sd.clamp(min=1e-7), 0.0)


def group_large_epsilon(rewards, scaled):  # 0.01 beside the spread: small rewards are shrunk
    return grpo(rewards, eps=1e-2) if scaled else rloo(rewards)


def group_rounding(rewards, scaled):  # equal rewards of 0.1 have a spread of 1e-8 here; of whole numbers, none
    if not scaled:
        return rloo(rewards)
    sd = ((rewards - rewards.mean(1, keepdim=True)) ** 2).sum(1, keepdim=True).sqrt() / (rewards.shape[1] - 1) ** 0.5
    return torch.where(sd == 0, 0.0, (rewards - rewards.mean(1, keepdim=True)) / sd)


def group_right_loop(rewards, scaled):
    out = torch.zeros_like(rewards)
    for p, group in enumerate(rewards):
        for i in range(len(group)):
            others = torch.cat([group[:i], group[i + 1 :]])
            if not scaled:
                out[p, i] = group[i] - others.mean()
            elif not torch.all(group == group[0]):
                out[p, i] = (group[i] - group.mean()) / group.std()
    return out


def group_right_scale(rewards, scaled):
    k = rewards.shape[-1]
    centered = rewards - rewards.mean(dim=-1, keepdim=True)
    if not scaled:
        return centered * k / (k - 1)
    equal = rewards.amax(-1, keepdim=True) == rewards.amin(-1, keepdim=True)
    length = torch.linalg.vector_norm(centered, dim=-1, keepdim=True)
    return torch.where(equal, 0.0, centered * (k - 1) ** 0.5 / length.clamp(min=1e-30))


# mixed_update


def mixed_factors(adapters, weights):  # mixes A and B apart, then multiplies
    a = sum(w * a for w, (a, _, _) in zip(weights, adapters, strict=True))
    b = sum(w * s * b for w, (_, b, s) in zip(weights, adapters, strict=True))
    return b @ a


def mixed_no_scale(adapters, weights):  # the scale of each adapter is forgotten
    return sum(w * b @ a for w, (a, b, scale) in zip(weights, adapters, strict=True))


def mixed_no_weight(adapters, weights):  # the weights are forgotten
    return sum(scale * b @ a for a, b, scale in adapters)


def mixed_normalized(adapters, weights):  # divided by the sum of the weights
    return sum(w * s * b @ a for w, (a, b, s) in zip(weights, adapters, strict=True)) / sum(weights)


def mixed_order(adapters, weights):  # A B
    return sum(w * s * (a @ b) for w, (a, b, s) in zip(weights, adapters, strict=True))


def mixed_transposed(adapters, weights):  # (in, out)
    return sum(w * s * a.T @ b.T for w, (a, b, s) in zip(weights, adapters, strict=True))


def mixed_weight_twice(adapters, weights):  # the weight on A and on B: squared
    return sum(s * (w * b) @ (w * a) for w, (a, b, s) in zip(weights, adapters, strict=True))


def mixed_only_two(adapters, weights):  # two adapters, as in the lab's cell
    (a1, b1, s1), (a2, b2, s2) = adapters[0], adapters[1]
    return weights[0] * s1 * b1 @ a1 + weights[1] * s2 * b2 @ a2


def mixed_in_place(adapters, weights):  # scales the callers' B
    total = 0
    for w, (a, b, s) in zip(weights, adapters, strict=True):
        b.data.mul_(w * s)
        total = total + b @ a
    return total


def mixed_right_stacked(adapters, weights):
    a = torch.cat([a for a, _, _ in adapters], dim=0)
    b = torch.cat([w * s * b for w, (_, b, s) in zip(weights, adapters, strict=True)], dim=1)
    return b @ a


def mixed_right_einsum(adapters, weights):
    parts = [torch.einsum("or,ri->oi", b, a) * (w * s) for w, (a, b, s) in zip(weights, adapters, strict=True)]
    return torch.stack(parts).sum(0)


UNSEEN = [
    Unseen("optimal_policy", optimal_overflows, 1, STABLE, (r"sum to 1|beta (is|was)|multipl",)),
    # not divided by Z
    Unseen(
        "optimal_policy",
        lambda ref_logprobs, rewards, beta: ref_logprobs + rewards / beta,
        2,
        (r"\bZ\b|normali[sz]|sum to 1|sum",),
    ),
    # probabilities
    Unseen(
        "optimal_policy",
        lambda ref_logprobs, rewards, beta: torch.softmax(ref_logprobs + rewards / beta, 0),
        3,
        (r"\blog",),
    ),
    # without the reference
    Unseen(
        "optimal_policy",
        lambda ref_logprobs, rewards, beta: torch.log_softmax(rewards / beta, 0),
        4,
        (r"reference|prior|\bref",),
    ),
    # times beta
    Unseen(
        "optimal_policy",
        lambda ref_logprobs, rewards, beta: (ref_logprobs + beta * rewards).log_softmax(0),
        5,
        (r"(multipl|times|divid).*beta|beta.*(multipl|times|divid)",),
    ),
    # beta divides the reference too
    Unseen(
        "optimal_policy",
        lambda ref_logprobs, rewards, beta: ((ref_logprobs + rewards) / beta).log_softmax(0),
        6,
        (r"only the reward|reference.*(beta|divid|scal|temper|sharp)|beta.*reference|ref.*(divid|beta)",),
    ),
    Unseen("optimal_policy", optimal_no_reference_in_z, 7, (r"\bZ\b|normali[sz]|sum to 1|reference",)),
    Unseen("optimal_policy", optimal_shifts_too_late, 8, STABLE + (r"\blog",)),
    # the mean is kept
    Unseen(
        "implicit_reward",
        lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs),
        1,
        (r"\bmean",),
        (r"beta is",),
    ),
    # beta is forgotten
    Unseen(
        "implicit_reward", lambda logprobs, ref_logprobs, beta: (d := logprobs - ref_logprobs) - d.mean(), 2, (r"beta",)
    ),
    # turned round
    Unseen(
        "implicit_reward",
        lambda logprobs, ref_logprobs, beta: beta * ((d := ref_logprobs - logprobs) - d.mean()),
        3,
        SIGN,
    ),
    # divided by beta
    Unseen(
        "implicit_reward",
        lambda logprobs, ref_logprobs, beta: ((d := logprobs - ref_logprobs) - d.mean()) / beta,
        4,
        (r"beta|divid",),
    ),
    # the ratio without its logarithm
    Unseen(
        "implicit_reward",
        lambda logprobs, ref_logprobs, beta: beta * ((d := (logprobs - ref_logprobs).exp()) - d.mean()),
        5,
        (r"\blog|\bexp",),
    ),
    Unseen(
        "implicit_reward",
        implicit_policy_mean,
        6,
        (r"weigh|expect|plain|average|under the policy|mean (is|of|should|must|over)",),
        (r"beta (is|was) (missing|forg|not)",),
    ),
    Unseen(
        "implicit_reward",
        implicit_mean_first,
        7,
        (r"beta.*mean|mean.*beta|mean (is|should be|must be) (not )?0|mean 0|same (scale|units)",),
    ),
    Unseen("implicit_reward", implicit_standardized, 8, (r"standard dev|\bstd|divid|spread|scal|only the mean",)),
    Unseen("group_advantages", group_nan, 1, (r"\bnan\b|equal|alike|same|zero|\b0\b",)),
    Unseen("group_advantages", group_mean_of_all, 2, (r"others|itself|itself|own|RLOO|k - 1|leave",)),
    Unseen("group_advantages", group_population, 3, SAMPLE, (r"\bnan\b",)),
    Unseen("group_advantages", group_whole_batch, 4, (r"group|prompt|batch|row",), SAMPLE),
    Unseen("group_advantages", group_axis_zero, 5, (r"axis|dim|prompts|group|column|row",), SAMPLE),
    Unseen("group_advantages", group_others_over_k, 6, (r"k ?- ?1|others|divid",), (r"standard dev",)),
    Unseen(
        "group_advantages",
        group_flag_inverted,
        7,
        (r"scaled|swap|turned|the other way|invert|exchang|GRPO.*RLOO|RLOO.*GRPO",),
    ),
    Unseen(
        "group_advantages",
        group_loo_scaled,
        8,
        (r"all of (the|its) group|mean of (all|the group)|itself|GRPO.*(mean|baseline)|baseline",),
        (r"\bnan\b|k ?- ?1",),
    ),
    Unseen(
        "group_advantages",
        group_large_epsilon,
        10,
        (r"\beps|small|added|beside|narrow|too little|shrunk|1e-|constant",),
        (r"k ?- ?1",),
    ),
    Unseen("mixed_update", mixed_factors, 1, (r"product|cross|each adapter|separate|apart|raise|rank|multipl|own",)),
    Unseen("mixed_update", mixed_no_scale, 2, (r"scal(e|ing)|alpha|\bs\b",)),
    Unseen("mixed_update", mixed_no_weight, 3, (r"weights?",), (r"scale",)),
    Unseen("mixed_update", mixed_normalized, 4, (r"normali[sz]|divid|average|sum of the weights|mean",)),
    Unseen("mixed_update", mixed_order, 5, SHAPE + (r"B A|order|b @ a",)),
    Unseen("mixed_update", mixed_transposed, 6, SHAPE + (r"transpos",)),
    Unseen("mixed_update", mixed_weight_twice, 7, (r"twice|squar|once|both|negative|sign",), (r"scale",)),
    Unseen("mixed_update", mixed_only_two, 8, (r"all|any number|two|first|three|more|every|raise|error|number of",)),
    Unseen("mixed_update", mixed_in_place, 9, IN_PLACE),
]
RIGHT = {
    "optimal_policy": [
        lambda ref_logprobs, rewards, beta: (
            torch.distributions.Categorical(logits=ref_logprobs + rewards / beta).logits
        ),
        optimal_right_loop,
    ],
    "implicit_reward": [
        lambda logprobs, ref_logprobs, beta: beta * (logprobs - logprobs.mean() - ref_logprobs + ref_logprobs.mean()),
        implicit_right_matrix,
    ],
    "group_advantages": [group_rounding, group_right_loop, group_right_scale],
    "mixed_update": [mixed_right_stacked, mixed_right_einsum],
}
