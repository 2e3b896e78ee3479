"""The formulas: values by hand, naive second implementations, exact expectations, gradients and padding."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import zscore
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional as F

from helpers.formulas import objectives as o

deterministic = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**31)


def batch(seed: int, n: int = 5, length: int = 7, count: int = 3) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A right-padded mask with responses of 1 to `length` tokens, and `count` random tensors of its shape."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (n, 1), generator=generator)
    mask = torch.arange(length) < lengths
    return mask, [torch.randn(n, length, generator=generator, dtype=torch.float64) for _ in range(count)]


def spoil(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return x.masked_fill(~mask, float("nan"))


# --- Masked averages ----------------------------------------------------------


@deterministic
@given(seeds)
def test_masked_averages_equal_those_of_the_selected_tokens(seed):
    mask, (x, _, _) = batch(seed)
    real = x[mask]
    torch.testing.assert_close(o.masked_mean(spoil(x, mask), mask), real.mean())
    white = o.masked_whiten(spoil(x, mask), mask)
    assert (white[~mask] == 0).all()
    torch.testing.assert_close(white[mask], (real - real.mean()) / (real.var() + 1e-8).sqrt())
    unshifted = o.masked_whiten(x, mask, shift_mean=False)
    torch.testing.assert_close(unshifted[mask] - white[mask], real.mean().expand_as(real))
    assert (unshifted[~mask] == 0).all()


def test_masks_may_be_integers_or_floats():
    mask, (x, _, _) = batch(0)
    for kind in (torch.long, torch.float32):
        torch.testing.assert_close(o.masked_mean(x, mask.to(kind)), o.masked_mean(x, mask))
        torch.testing.assert_close(o.kl_penalized_rewards(x[:, 0], x, 2 * x, mask.to(kind), 0.1),
                                   o.kl_penalized_rewards(x[:, 0], x, 2 * x, mask, 0.1))  # fmt: skip


def test_whitening_one_token_and_equal_tokens_is_finite():
    assert o.masked_whiten(torch.tensor([[2.0, 9.0]]), torch.tensor([[True, False]])).tolist() == [[0.0, 0.0]]
    assert o.masked_whiten(torch.full((2, 3), 4.0), torch.ones(2, 3, dtype=torch.bool)).abs().max() == 0


# --- Supervised fine-tuning ---------------------------------------------------


@deterministic
@given(seeds)
def test_supervised_loss_is_torchs_cross_entropy_with_ignored_labels(seed):
    mask, _ = batch(seed)
    mask = mask & (torch.arange(7) >= torch.tensor([[0], [1], [0], [2], [0]]))  # the prompts' tokens come first
    assume(mask.any())
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 7, 11, generator=generator)
    tokens = torch.randint(11, (5, 7), generator=generator)
    ours = o.sft_loss(spoil(o.response_logprobs(logits, tokens), mask), mask)
    torch.testing.assert_close(ours, F.cross_entropy(logits.flatten(0, 1), tokens.masked_fill(~mask, -100).flatten()))


# --- Reward model -------------------------------------------------------------


def test_bradley_terry_by_hand():
    assert o.bradley_terry_probability(torch.tensor(math.log(3.0)), torch.tensor(0.0)).item() == pytest.approx(0.75)
    chosen, rejected = torch.tensor([math.log(3.0), 0.0]), torch.tensor([0.0, 0.0])
    assert o.bradley_terry_loss(chosen, rejected).item() == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)
    # a margin of log 3 takes back the whole lead of the first pair
    margin = torch.tensor([math.log(3.0), 0.0])
    assert o.margin_loss(chosen, rejected, margin).item() == pytest.approx(math.log(2))


@deterministic
@given(seeds)
def test_bradley_terry_depends_on_the_gap_only(seed):
    _, (x, y, _) = batch(seed)
    a, b = x[:, 0], y[:, 0]
    p = o.bradley_terry_probability(a, b)
    torch.testing.assert_close(p + o.bradley_terry_probability(b, a), torch.ones_like(p))
    torch.testing.assert_close(o.bradley_terry_loss(a + 5, b + 5), o.bradley_terry_loss(a, b))
    torch.testing.assert_close(o.bradley_terry_loss(a, b), -p.log().mean())
    torch.testing.assert_close(o.margin_loss(a, b, torch.zeros_like(a)), o.bradley_terry_loss(a, b))


def test_bradley_terry_gradient_and_extremes():
    chosen = torch.tensor([0.3, -1.0], requires_grad=True)
    rejected = torch.tensor([0.1, 2.0])
    o.bradley_terry_loss(chosen, rejected).backward()
    torch.testing.assert_close(chosen.grad, -(1 - o.bradley_terry_probability(chosen.detach(), rejected)) / 2)
    assert o.bradley_terry_loss(torch.tensor([-1e4]), torch.tensor([1e4])).item() == pytest.approx(2e4)


def test_bradley_terry_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match=r"\(4, 1\).*\(4,\)"):
        o.bradley_terry_loss(torch.zeros(4, 1), torch.zeros(4))


def test_conservative_score_is_the_mean_of_members_who_agree_and_less_where_they_do_not():
    scores = torch.tensor([[1.0, 2.0, -1.0], [1.0, 4.0, 1.0]])
    assert o.conservative_score(scores, 0.5).tolist() == [1.0, 2.5, -0.5]
    assert o.conservative_score(scores, 0.0).tolist() == [1.0, 3.0, 0.0]
    assert o.conservative_score(scores[:1], 0.5).tolist() == [1.0, 2.0, -1.0]  # one member cannot disagree


def test_normalize_scores():
    scores = torch.tensor([1.0, 3.0, 5.0])
    assert o.normalize_scores(scores, 3.0, 2.0).tolist() == [-1.0, 0.0, 1.0]


# --- Log-probabilities, entropy and KL ----------------------------------------


@deterministic
@given(seeds)
def test_logprobs_and_entropy_agree_with_torch_distributions(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, 6, 11, generator=generator, dtype=torch.float64)
    tokens = torch.randint(11, (4, 6), generator=generator)
    categorical = Categorical(logits=logits)
    torch.testing.assert_close(o.response_logprobs(logits, tokens), categorical.log_prob(tokens))
    torch.testing.assert_close(o.entropy_from_logits(logits), categorical.entropy())


def test_entropy_of_a_uniform_distribution_is_the_log_of_its_size():
    torch.testing.assert_close(o.entropy_from_logits(torch.zeros(1, 2, 8)), torch.full((1, 2), math.log(8)))


@deterministic
@given(seeds)
def test_kl_estimators_have_the_right_expectation(seed):
    """Exactly, by summing over a small vocabulary: k1 and k3 are unbiased; k2 is so to third order."""
    generator = torch.Generator().manual_seed(seed)
    policy_logits, noise = torch.randn(2, 9, generator=generator, dtype=torch.float64)
    for distance in (1.0, 0.01):
        policy, reference = (
            Categorical(logits=policy_logits),
            Categorical(logits=policy_logits + distance * noise),
        )
        exact = kl_divergence(policy, reference)
        logprobs, ref_logprobs = policy.logits, reference.logits  # of each token of the vocabulary
        expect = {k.__name__: (policy.probs * k(logprobs, ref_logprobs)).sum() for k in (o.kl_k1, o.kl_k2, o.kl_k3)}
        torch.testing.assert_close(expect["kl_k1"], exact)
        torch.testing.assert_close(expect["kl_k3"], exact)
        assert (o.kl_k2(logprobs, ref_logprobs) >= 0).all() and (o.kl_k3(logprobs, ref_logprobs) >= 0).all()
    torch.testing.assert_close(expect["kl_k2"], exact, rtol=0.05, atol=0)  # where the two are close


@deterministic
@given(seeds, st.integers(1, 4))
def test_completion_logprobs_are_those_of_each_token_given_all_before_it(seed, prompt_length):
    """Against a loop that asks, token by token, what the position before it predicted."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    ids = torch.randint(5, (2, 6), generator=generator)
    expected = [
        [Categorical(logits=logits[row, t - 1]).log_prob(ids[row, t]) for t in range(prompt_length, 6)]
        for row in range(2)
    ]
    torch.testing.assert_close(o.completion_logprobs(logits, ids, prompt_length), torch.tensor(expected))


def test_kl_estimators_by_hand_and_for_tiny_ratios():
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    assert o.kl_k1(one, zero).item() == 1.0
    assert o.kl_k2(one, zero).item() == 0.5
    assert o.kl_k3(one, zero).item() == pytest.approx(math.exp(-1) - 1 + 1)
    assert all(k(one, one).item() == 0 for k in (o.kl_k1, o.kl_k2, o.kl_k3))


def test_kl_penalized_rewards_by_hand():
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]]).bool()
    logprobs = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -9.0, float("nan")]])
    reference = torch.tensor([[-2.0, -2.0, -1.0], [-1.5, -7.0, float("-inf")]])
    rewards = o.kl_penalized_rewards(torch.tensor([10.0, 20.0]), logprobs, reference, mask, beta=0.1)
    torch.testing.assert_close(rewards, torch.tensor([[-0.1, 0.0, 10.2], [19.95, 0.0, 0.0]]))


@deterministic
@given(seeds)
def test_kl_penalized_rewards_sum_to_the_papers_reward(seed):
    mask, (logprobs, reference, x) = batch(seed)
    rewards = o.kl_penalized_rewards(x[:, 0], logprobs, reference, mask, beta=0.3)
    log_ratio = ((logprobs - reference) * mask).sum(1)
    torch.testing.assert_close(rewards.sum(1), x[:, 0] - 0.3 * log_ratio)
    assert (rewards[~mask] == 0).all()


# --- Policy gradient and PPO --------------------------------------------------


def rloo_by_definition(rewards):
    """Kool et al. 2019, in plain Python: each reward minus the mean of all others of its row."""
    rows = rewards.tolist()
    return [[r - sum(row[:i] + row[i + 1 :]) / (len(row) - 1) for i, r in enumerate(row)] for row in rows]


@deterministic
@given(seeds, st.integers(2, 6))
def test_group_advantages_equal_their_definitions(seed, group):
    rewards = 1e4 * torch.randn(3, group, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rloo, grpo = (o.group_advantages(rewards, scaled) for scaled in (False, True))
    torch.testing.assert_close(rloo, torch.tensor(rloo_by_definition(rewards), dtype=torch.float64))
    torch.testing.assert_close(grpo, torch.tensor(zscore(rewards.numpy(), axis=1, ddof=1)), rtol=1e-4, atol=1e-4)
    for advantages in (rloo, grpo):
        torch.testing.assert_close(advantages.sum(1), torch.zeros(3, dtype=torch.float64))


def test_group_advantages_by_hand():
    rewards = torch.tensor([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]])
    assert o.group_advantages(rewards, scaled=False).tolist() == [[-3.0, -1.5, 4.5], [0.0, 0.0, 0.0]]
    scaled = o.group_advantages(rewards, scaled=True)
    torch.testing.assert_close(scaled[0], torch.tensor([-2.0, -1.0, 3.0]) / math.sqrt(7), rtol=1e-4, atol=0)
    assert scaled[1].tolist() == [0.0, 0.0, 0.0]


@deterministic
@given(seeds, st.floats(-5, 5), st.floats(0.5, 20))
def test_a_groups_level_never_matters_and_its_scale_only_to_rloo(seed, level, unit):
    rewards = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    moved = unit * rewards + level * torch.arange(3.0).unsqueeze(1)  # some prompts are easy
    for scaled, factor, close in ((False, unit, 1e-9), (True, 1.0, 5e-3)):
        expected = factor * o.group_advantages(rewards, scaled)
        torch.testing.assert_close(o.group_advantages(moved, scaled), expected, rtol=0, atol=close)


def test_the_leave_one_out_baseline_is_unbiased():
    """Exactly, over all pairs of samples: the mean of advantage * grad log pi is the gradient of E[r]."""
    logits, reward = torch.tensor([0.3, -0.2, 0.9]).double(), torch.tensor([1.0, 5.0, -2.0]).double()
    policy = Categorical(logits=logits)
    scores = torch.eye(3).double() - policy.probs  # grad log pi of each action
    first, second = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    pairs = torch.stack([first.flatten(), second.flatten()], dim=1)
    advantages = o.group_advantages(reward[pairs], scaled=False)
    chance = policy.probs[pairs].prod(1)
    estimate = (chance[:, None] * (advantages.unsqueeze(-1) * scores[pairs]).mean(1)).sum(0)
    exact = torch.func.grad(lambda x: (x.softmax(0) * reward).sum())(logits)
    torch.testing.assert_close(estimate, exact)


@pytest.mark.parametrize(("method", "scaled"), [("rloo", False), ("grpo", True)])
def test_group_advantages_are_those_of_trl(checkpoint, tmp_path, method, scaled):
    """Of its own samples: GRPO there divides by a standard deviation of group - 1, plus 1e-4."""
    from datasets import Dataset
    from transformers import AutoTokenizer, LlamaForCausalLM

    from helpers.training.grpo import METHODS

    rewards = [[1.0, 2.0, 6.0, -1.0], [3.0, 3.0, 3.0, 3.0]]
    prompts = [{"prompt": "dog house"}] * 4 + [{"prompt": "cat"}] * 4
    trainer_class, config_class, options = METHODS[method]
    options = options | {
        "num_generations": 4,
        "per_device_train_batch_size": 8,
        "max_completion_length": 3,
        "beta": 0.0,
    }
    trainer = trainer_class(
        LlamaForCausalLM.from_pretrained(checkpoint),
        lambda completions, **_: sum(rewards, []),
        args=config_class(str(tmp_path), use_cpu=True, bf16=False, report_to="none", **options),
        train_dataset=Dataset.from_list(prompts),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
    )
    trainer.model.train()
    theirs = trainer._generate_and_score_completions(prompts)["advantages"]
    torch.testing.assert_close(o.group_advantages(torch.tensor(rewards), scaled).flatten(), theirs)


def gae_by_definition(rewards, values, gamma, lam):
    """Schulman et al. 2016, eq. 16: a double sum over one unpadded response, in plain Python."""
    n = len(rewards)
    values = [*values, 0.0]
    deltas = [rewards[t] + gamma * values[t + 1] - values[t] for t in range(n)]
    return [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]


@deterministic
@given(seeds, st.floats(0, 1), st.floats(0, 1))
def test_gae_equals_its_definition_for_every_length(seed, gamma, lam):
    mask, (rewards, values, _) = batch(seed)
    advantages, returns = o.gae(spoil(rewards, mask), spoil(values, mask), mask, gamma, lam)
    for i, length in enumerate(mask.sum(1).tolist()):
        expected = gae_by_definition(rewards[i, :length].tolist(), values[i, :length].tolist(), gamma, lam)
        torch.testing.assert_close(advantages[i, :length], torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(returns[mask], (advantages + values)[mask])
    assert (advantages[~mask] == 0).all() and (returns[~mask] == 0).all()


def test_gae_by_hand():
    rewards, values = torch.tensor([[0.0, 1.0, 5.0]]), torch.tensor([[0.5, 0.25, 7.0]])
    mask = torch.tensor([[True, True, False]])
    # delta = (0 + 0.25 - 0.5, 1 - 0.25); A_0 = -0.25 + 0.5 * 0.75
    advantages, returns = o.gae(rewards, values, mask, gamma=1.0, lam=0.5)
    assert advantages.tolist() == [[0.125, 0.75, 0.0]]
    assert returns.tolist() == [[0.625, 1.0, 0.0]]


@deterministic
@given(seeds)
def test_gae_at_lambda_one_is_the_reward_to_go_minus_the_value(seed):
    mask, (rewards, values, _) = batch(seed)
    _, returns = o.gae(rewards, values, mask, gamma=1.0, lam=1.0)
    to_go = (rewards * mask).flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(returns[mask], to_go[mask])


@deterministic
@given(seeds)
def test_policy_losses_share_their_gradient_before_the_policy_moves(seed):
    mask, (logprobs, advantages, _) = batch(seed)
    gradients = []
    for loss in (
        lambda x: o.reinforce_loss(x, advantages, mask),
        lambda x: o.clipped_policy_loss(x, logprobs, advantages, mask),
    ):
        x = logprobs.clone().requires_grad_()
        loss(x).backward()
        gradients.append(x.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], -advantages * mask / mask.sum())


def test_reinforce_takes_one_advantage_per_response():
    mask, (logprobs, x, _) = batch(3)
    torch.testing.assert_close(
        o.reinforce_loss(logprobs, x[:, :1], mask), o.reinforce_loss(logprobs, x[:, :1].expand_as(x), mask)
    )


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "learns"),
    [
        (1.0, 2.0, -2.0, True),
        (1.5, 2.0, -2.4, False),  # already far enough in the right direction
        (0.5, 2.0, -1.0, True),  # far in the wrong one: the gradient stays
        (0.5, -2.0, 1.6, False),
        (1.5, -2.0, 3.0, True),
    ],
)
def test_clipped_policy_loss_by_hand(ratio, advantage, loss, learns):
    logprobs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    value = o.clipped_policy_loss(logprobs, torch.zeros(1, 1), torch.tensor([[advantage]]), torch.ones(1, 1).bool())
    value.backward()
    assert value.item() == pytest.approx(loss)
    assert (logprobs.grad.item() != 0) == learns


@pytest.mark.parametrize(
    ("value", "loss", "learns"),
    [(0.1, 0.405, True), (0.5, 0.32, False), (-0.5, 1.125, True), (2.5, 1.125, True)],
)
def test_clipped_value_loss_by_hand(value, loss, learns):
    """Old value 0, return 1, clip 0.2."""
    values = torch.tensor([[value]], requires_grad=True)
    result = o.clipped_value_loss(values, torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1).bool())
    result.backward()
    assert result.item() == pytest.approx(loss)
    assert (values.grad.item() != 0) == learns


def test_a_wide_clip_is_no_clip():
    mask, (values, old, returns) = batch(5)
    wide = o.clipped_value_loss(values, old, returns, mask, clip=1e9)
    torch.testing.assert_close(wide, 0.5 * ((values - returns) ** 2)[mask].mean())
    wide = o.clipped_policy_loss(values, old, returns, mask, clip=1e9)
    torch.testing.assert_close(wide, -((values - old).exp() * returns)[mask].mean())


@deterministic
@given(seeds)
def test_padding_never_matters_to_losses_or_gradients(seed):
    mask, (x, y, z) = batch(seed)
    losses = (
        lambda x, y, z: o.reinforce_loss(x, y, mask),
        lambda x, y, z: o.clipped_policy_loss(x, y, z, mask),
        lambda x, y, z: o.clipped_value_loss(x, y, z, mask),
        lambda x, y, z: o.masked_mean(x, mask),
    )
    for loss in losses:
        clean, spoilt = x.clone().requires_grad_(), spoil(x, mask).requires_grad_()
        a, b = loss(clean, y, z), loss(spoilt, spoil(y, mask), spoil(z, mask))
        torch.testing.assert_close(a, b)
        a.backward()
        b.backward()
        torch.testing.assert_close(clean.grad[mask], spoilt.grad[mask])
    assert (clean.grad[~mask] == 0).all()


def test_no_gradient_reaches_what_the_rollout_fixed():
    mask, (x, y, z) = batch(7)
    for loss, fixed in (
        (lambda x, y, z: o.reinforce_loss(x, y, mask), 1),
        (lambda x, y, z: o.clipped_policy_loss(x, y, z, mask), 2),
        (lambda x, y, z: o.clipped_value_loss(x, y, z, mask), 2),
    ):
        tensors = [tensor.clone().requires_grad_() for tensor in (x, y, z)]
        loss(*tensors).backward()
        assert tensors[0].grad.any() and all(tensor.grad is None for tensor in tensors[1 : 1 + fixed])


def test_gradients_agree_with_finite_differences():
    mask, (x, y, z) = batch(11, n=3, length=4)
    x.requires_grad_()
    for loss in (
        lambda x: o.clipped_policy_loss(x, y, z, mask),
        lambda x: o.clipped_value_loss(x, y, z, mask),
        lambda x: o.entropy_from_logits(x).sum(),
        lambda x: o.kl_k3(x, y).sum(),
        lambda x: o.margin_loss(x[:, 0], x[:, 1], y[:, 0]),
    ):
        assert torch.autograd.gradcheck(loss, (x,))


# --- Preferences without sampling ---------------------------------------------


def finite_policies(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two policies over seven completions, as log-probabilities, and rewards."""
    x = torch.randn(3, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x[0].log_softmax(0), x[1].log_softmax(0), 3 * x[2]


def test_best_policy_by_hand():
    even = torch.full((2,), 0.5).log()
    best = o.optimal_policy(even, torch.tensor([0.2 * math.log(3.0), 0.0]), beta=0.2)
    torch.testing.assert_close(best.exp(), torch.tensor([0.75, 0.25]))
    ref = torch.tensor([0.8, 0.2]).log()
    torch.testing.assert_close(o.optimal_policy(ref, torch.tensor([5.0, 5.0]), 0.1), ref)  # no reward is better


@deterministic
@given(seeds, st.floats(0.1, 10))
def test_best_policy_is_its_formula_and_nothing_does_better(seed, beta):
    ref, other, rewards = finite_policies(seed)

    def objective(logprobs):
        return (logprobs.exp() * (rewards - beta * (logprobs - ref))).sum()

    best = o.optimal_policy(ref, rewards, beta)
    weights = ref.exp() * (rewards / beta).exp()
    torch.testing.assert_close(best.exp(), weights / weights.sum())
    assert objective(best) >= max(objective(other), objective(ref)) - 1e-9
    torch.testing.assert_close(objective(best), beta * weights.sum().log())  # which is beta log Z


def test_best_policy_goes_from_the_reference_to_the_best_completion_without_overflow():
    ref, _, rewards = finite_policies(0)
    torch.testing.assert_close(o.optimal_policy(ref, rewards, 1e6), ref, atol=1e-4, rtol=0)
    greedy = o.optimal_policy(ref.float(), 100 * rewards.float(), 1e-3)
    assert greedy.isfinite().all() and greedy.argmax() == rewards.argmax() and greedy.max() == 0


@deterministic
@given(seeds, st.floats(0.05, 10))
def test_implied_reward_gives_the_reward_back_but_for_its_mean(seed, beta):
    ref, policy, rewards = finite_policies(seed)
    implied = o.implicit_reward(o.optimal_policy(ref, rewards, beta), ref, beta)
    torch.testing.assert_close(implied, rewards - rewards.mean())
    torch.testing.assert_close(o.optimal_policy(ref, o.implicit_reward(policy, ref, beta), beta), policy)
    # what Bradley-Terry makes of the implicit rewards is DPO's loss: the constant cancels
    implied = o.implicit_reward(policy, ref, beta)
    torch.testing.assert_close(
        o.bradley_terry_loss(implied[:3], implied[3:6]), o.dpo_loss(policy[:3], policy[3:6], ref[:3], ref[3:6], beta)
    )


def test_implied_reward_by_hand():
    logprobs, ref = torch.tensor([-1.0, -4.0, -7.0]), torch.tensor([-3.0, -4.0, -3.0])
    assert o.implicit_reward(logprobs, ref, beta=0.5).tolist() == pytest.approx([4 / 3, 1 / 3, -5 / 3])
    assert o.implicit_reward(ref, ref, beta=0.5).tolist() == [0.0, 0.0, 0.0]


def test_dpo_loss_by_hand():
    chosen, rejected = torch.tensor([-10.0]), torch.tensor([-20.0])
    assert o.dpo_loss(chosen, rejected, chosen, rejected).item() == pytest.approx(math.log(2))
    # the policy raised the chosen one by 2 nats and lowered the rejected one by 1: a margin of 0.3
    loss = o.dpo_loss(chosen, rejected, torch.tensor([-12.0]), torch.tensor([-19.0]), beta=0.1)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.3)))


@deterministic
@given(seeds, st.floats(0.01, 2))
def test_dpo_gradient_is_that_of_its_paper(seed, beta):
    """Rafailov et al. 2023, section 4: -beta sigmoid(r_rejected - r_chosen), up for chosen and down for rejected."""
    _, (x, y, _) = batch(seed)
    chosen, rejected, ref_chosen, ref_rejected = (t.clone().requires_grad_() for t in (*x.T[:2], *y.T[:2]))
    o.dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta).backward()
    with torch.no_grad():
        weight = beta * torch.sigmoid(beta * (rejected - ref_rejected) - beta * (chosen - ref_chosen)) / len(chosen)
    torch.testing.assert_close(chosen.grad, -weight)
    torch.testing.assert_close(rejected.grad, weight)
    assert ref_chosen.grad is None and ref_rejected.grad is None


def test_dpo_loss_is_that_of_trl(checkpoint, tmp_path):
    """On a policy that has moved from its reference, with prompts and completions of different lengths."""
    from datasets import Dataset
    from transformers import AutoTokenizer, LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer

    policy, reference = (LlamaForCausalLM.from_pretrained(checkpoint).eval() for _ in range(2))
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(1.2)
    rows = [
        {"prompt": "dog house", "chosen": " please help", "rejected": " never"},
        {"prompt": "cat", "chosen": " friend", "rejected": " job lease"},
    ]
    trainer = DPOTrainer(
        policy,
        reference,
        DPOConfig(str(tmp_path), beta=0.3, use_cpu=True, bf16=False, report_to="none"),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
    )
    inputs = next(iter(trainer.get_train_dataloader()))
    ids, mask = inputs["input_ids"], inputs["completion_mask"][:, 1:]  # the chosen ones, then the rejected ones
    sums = []
    with torch.no_grad():
        theirs = trainer.compute_loss(policy, inputs)
        for model in (policy, reference):
            logits = model(input_ids=ids, attention_mask=inputs["attention_mask"]).logits
            sums += (o.completion_logprobs(logits, ids, 1) * mask).sum(1).chunk(2)
    torch.testing.assert_close(o.dpo_loss(*sums, beta=0.3), theirs)
    assert abs(theirs - math.log(2)) > 0.01
