"""Lab 00, second part: gradients and REINFORCE, as students write them."""

import numpy as np
import torch

from tests.exercises.unseen.record import IN_PLACE, SHAPE, SIGN, STABLE, Unseen


def stable(logits):
    e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def onehot(logits, arms):
    return np.eye(logits.shape[1])[arms]


# logprob_gradient


def gradient_of_probability(logits, arms):  # of pi, not of log pi
    pi = stable(logits)
    return pi[np.arange(len(arms)), arms][:, None] * (onehot(logits, arms) - pi)


def gradient_every_run(logits, arms):  # all arms that were pulled, in every run
    hot = np.zeros(logits.shape)
    hot[:, arms] = 1
    return hot - stable(logits)


def gradient_pulled_arm_only(logits, arms):  # the other logits stay at 0
    return onehot(logits, arms) * (1 - stable(logits))


def gradient_logits_for_pi(logits, arms):  # the logits in place of the probabilities
    return onehot(logits, arms) - logits


def gradient_softmax_over_runs(logits, arms):  # probabilities over the runs
    return onehot(logits, arms) - stable(logits.T).T


def gradient_unstable(logits, arms):  # exp overflows
    with np.errstate(all="ignore"):
        return onehot(logits, arms) - np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def gradient_averaged(logits, arms):  # one row: the mean over the runs
    return (onehot(logits, arms) - stable(logits)).mean(axis=0)


def gradient_right_loop(logits, arms):
    rows = []
    for row, arm in zip(stable(logits), arms, strict=True):
        row = -row
        row[arm] += 1
        rows.append(row)
    return np.array(rows)


def gradient_right_autograd(logits, arms):
    x = torch.tensor(np.asarray(logits, dtype=float), requires_grad=True)
    x.log_softmax(1).gather(1, torch.as_tensor(np.asarray(arms)).long()[:, None]).sum().backward()
    return x.grad.numpy()


# expected_reward_gradient


def expected_right_jacobian(logits, means):
    pi = stable(np.asarray(logits, dtype=float))
    return (np.diag(pi) - np.outer(pi, pi)) @ means


def expected_right_autograd(logits, means):
    x = torch.tensor(np.asarray(logits, dtype=float), requires_grad=True)
    (x.softmax(0) @ torch.tensor(np.asarray(means, dtype=float))).backward()
    return x.grad.numpy()


def expected_unstable(logits, means):  # exp overflows
    with np.errstate(all="ignore"):
        pi = np.exp(logits) / np.exp(logits).sum()
        return pi * (means - pi @ means)


# reinforce_update


def advantage(rewards, baseline):
    return (rewards - baseline)[:, None]


def gradient(logits, arms):
    return onehot(logits, arms) - stable(logits)


def update_in_place(logits, arms, rewards, baseline, learning_rate):  # overwrites the old logits
    logits += learning_rate * advantage(rewards, baseline) * gradient(logits, arms)
    return logits


def update_no_new_axis(logits, arms, rewards, baseline, learning_rate):  # (runs,) times (runs, arms): raises
    return logits + learning_rate * (rewards - baseline) * gradient(logits, arms)


def update_down(logits, arms, rewards, baseline, learning_rate):  # down the gradient
    return logits - learning_rate * advantage(rewards, baseline) * gradient(logits, arms)


def update_no_baseline(logits, arms, rewards, baseline, learning_rate):  # the baseline is forgotten
    return logits + learning_rate * rewards[:, None] * gradient(logits, arms)


def update_mean_gradient(logits, arms, rewards, baseline, learning_rate):  # one mean step for all runs
    return logits + learning_rate * (advantage(rewards, baseline) * gradient(logits, arms)).mean(axis=0)


def update_batch_baseline(logits, arms, rewards, baseline, learning_rate):  # the batch's mean for the baseline
    return logits + learning_rate * advantage(rewards, rewards.mean()) * gradient(logits, arms)


def update_pulled_arm(logits, arms, rewards, baseline, learning_rate):  # moves the pulled arm's logit only
    return logits + learning_rate * advantage(rewards, baseline) * onehot(logits, arms)


def update_step_only(logits, arms, rewards, baseline, learning_rate):  # the step, not the new logits
    return learning_rate * advantage(rewards, baseline) * gradient(logits, arms)


def update_baseline_after(logits, arms, rewards, baseline, learning_rate):  # baseline off the step, not the reward
    return logits + learning_rate * (rewards[:, None] * gradient(logits, arms) - baseline[:, None])


def update_right_loop(logits, arms, rewards, baseline, learning_rate):
    new = np.array(logits, dtype=float)
    for i in range(len(arms)):
        step = -stable(logits[i])
        step[arms[i]] += 1.0
        new[i] += learning_rate * (rewards[i] - baseline[i]) * step
    return new


def update_right_einsum(logits, arms, rewards, baseline, learning_rate):
    return logits + np.einsum("i,ia->ia", learning_rate * (rewards - baseline), gradient(logits, arms))


UNSEEN = [
    # pi - one-hot
    Unseen("logprob_gradient", lambda logits, arms: stable(logits) - onehot(logits, arms), 1, SIGN),
    Unseen(
        "logprob_gradient", gradient_of_probability, 2, (r"\blog|probability itself|gradient of pi|factor|times pi",)
    ),
    Unseen("logprob_gradient", gradient_every_run, 3, (r"each run|every run|own arm|own|\[:, arms\]|row",)),
    Unseen("logprob_gradient", gradient_pulled_arm_only, 4, (r"other|all (its )?(arms|logits)|only|pulled",)),
    # one-hot only
    Unseen("logprob_gradient", onehot, 5, (r"\bpi\b|probabilit|softmax|minus|subtract|one-hot",)),
    Unseen("logprob_gradient", gradient_logits_for_pi, 6, (r"softmax|probabilit|logits|\bpi\b",)),
    Unseen("logprob_gradient", gradient_softmax_over_runs, 7, (r"axis|over the runs|row|softmax",)),
    Unseen("logprob_gradient", gradient_unstable, 8, STABLE),
    Unseen("logprob_gradient", gradient_averaged, 9, SHAPE + (r"each run|every run|mean|average",)),
    # no baseline J
    Unseen(
        "expected_reward_gradient",
        lambda logits, means: stable(logits) * means,
        1,
        (r"\bJ\b|expected reward|above|subtract|baseline|mean",),
    ),
    # the plain mean of the arms for J
    Unseen(
        "expected_reward_gradient",
        lambda logits, means: stable(logits) * (means - means.mean()),
        2,
        (r"\bJ\b|weigh|expected|plain|uniform|policy",),
    ),
    # pi is missing
    Unseen(
        "expected_reward_gradient",
        lambda logits, means: means - stable(logits) @ means,
        3,
        (r"\bpi\b|probabilit|times|factor|weigh",),
    ),
    # down
    Unseen(
        "expected_reward_gradient", lambda logits, means: stable(logits) * (stable(logits) @ means - means), 4, SIGN
    ),
    # J itself
    Unseen(
        "expected_reward_gradient",
        lambda logits, means: stable(logits) @ means,
        5,
        SHAPE + (r"each arm|every arm|itself|gradient",),
    ),
    # the logits for the probabilities
    Unseen(
        "expected_reward_gradient",
        lambda logits, means: logits * (means - logits @ means),
        6,
        (r"softmax|probabilit|logits|\bpi\b",),
    ),
    # each arm as if the others were worth 0
    Unseen(
        "expected_reward_gradient",
        lambda logits, means: stable(logits) * (1 - stable(logits)) * means,
        7,
        (r"other|J\b.*(subtract|above|minus|not)|above|all arms|expected reward|baseline",),
    ),
    Unseen("expected_reward_gradient", expected_unstable, 8, STABLE),
    Unseen("reinforce_update", update_in_place, 1, IN_PLACE),
    Unseen("reinforce_update", update_down, 2, SIGN + (r"\bup\b|down|climb|lower",), (r"baseline",)),
    Unseen("reinforce_update", update_no_new_axis, 3, SHAPE + (r"None|own (reward|row)|each run",)),
    Unseen("reinforce_update", update_no_baseline, 4, (r"baseline",), (r"mean of (the|all) rewards|sign",)),
    Unseen("reinforce_update", update_mean_gradient, 5, (r"each run|every run|own|mean|average|mix",)),
    Unseen(
        "reinforce_update",
        update_batch_baseline,
        6,
        (r"baseline.*(given|own|argument|batch|mean)|(given|own|argument|batch|mean).*baseline",),
    ),
    Unseen("reinforce_update", update_pulled_arm, 7, (r"other|\bpi\b|gradient|all (its )?logits|pulled|one-hot|only",)),
    Unseen(
        "reinforce_update",
        update_step_only,
        8,
        (r"new logits|old logits|the step|only the (step|change)|added|change itself",),
    ),
    Unseen(
        "reinforce_update",
        update_baseline_after,
        9,
        (r"baseline.*(reward|before|gradient|times|multipl|from)|parenthes|bracket",),
    ),
]
RIGHT = {
    "logprob_gradient": [gradient_right_loop, gradient_right_autograd],
    "expected_reward_gradient": [expected_right_jacobian, expected_right_autograd],
    "reinforce_update": [update_right_loop, update_right_einsum],
}
