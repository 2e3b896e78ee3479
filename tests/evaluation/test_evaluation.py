"""Held-out measurements: samples, comparisons, accuracy and its yardsticks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.evaluation.baselines import length_baseline, length_margins, overlap_baseline, overlap_margins, word_f1
from helpers.evaluation.policies import (
    Judged,
    compare_models,
    completion_loss,
    gold_gain,
    implicit_rewards,
    sample,
    win_rates,
)
from helpers.evaluation.reward_models import (
    accuracy,
    accuracy_gain,
    accuracy_gain_over_seeds,
    accuracy_over_seeds,
    best_possible,
    pair_scores,
    reliability,
)
from helpers.formulas.statistics import expected_calibration_error
from helpers.models.shared_base import BASE, POLICY, REFERENCE, SharedBase
from helpers.preferences import Preference
from helpers.simulation.gold import gold_reward
from helpers.simulation.posts import draw_posts

from ..support.shared_base import COMPLETIONS, PROMPTS


def pair(chosen, rejected, number=0, prompt="POST: a dog\n\nTL;DR:", strength=2, annotator="ada"):
    return Preference(prompt, chosen, rejected, f"pair-{number}", "test", annotator, strength, "test")


def test_a_judge_scores_as_the_reward_model_and_keeps_gold_beside(shared):
    judge, texts = Judged(shared.reward), [f" {prompt}" for prompt in PROMPTS]
    assert torch.equal(judge(PROMPTS, texts), shared.reward(PROMPTS, texts))
    judge(PROMPTS[:2], texts[:2])
    gold = [gold_reward(p, c) for p, c in zip(PROMPTS, texts, strict=True)]
    assert judge.gold == [gold, gold[:2]]


@pytest.mark.parametrize("role", [POLICY, BASE])
def test_the_loss_on_texts_is_transformers_own(shared, role):
    losses = completion_loss(shared, PROMPTS, COMPLETIONS, role, batch_size=3)
    for prompt, completion, loss in zip(PROMPTS, COMPLETIONS, losses, strict=True):
        (ids,) = shared.encode([prompt], [completion])
        labels = torch.tensor([ids])
        labels[:, : len(shared.encode([prompt], [""])[0]) - 1] = -100  # the prompt, which stands before </s>
        with shared.role(role) as model, torch.no_grad():
            expected = model(input_ids=torch.tensor([ids]), labels=labels).loss
        assert loss == pytest.approx(float(expected), abs=1e-4)


def test_the_implicit_reward_is_beta_times_the_log_ratio_of_the_whole_completion(shared):
    for parameter in shared.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(parameter.numel()))
    tokens = np.array(
        [
            len(shared.encode([p], [c])[0]) - len(shared.encode([p], [""])[0]) + 1
            for p, c in zip(PROMPTS, COMPLETIONS, strict=True)
        ]
    )
    policy, reference = (completion_loss(shared, PROMPTS, COMPLETIONS, role) for role in (POLICY, REFERENCE))
    rewards = implicit_rewards(shared, PROMPTS, COMPLETIONS, beta=0.3, batch_size=3)
    np.testing.assert_allclose(rewards, 0.3 * tokens * (reference - policy), atol=1e-4)
    assert np.abs(rewards).min() > 1e-4


def test_a_sample(shared):
    frame = sample(shared, PROMPTS, REFERENCE, seed=3)
    assert frame["prompt"].tolist() == PROMPTS
    assert frame["gold"].tolist() == [gold_reward(p, c) for p, c in zip(PROMPTS, frame["completion"], strict=True)]
    assert frame["words"].tolist() == [len(text.split()) for text in frame["completion"]]
    expected = shared.reward(PROMPTS, frame["completion"].tolist())
    np.testing.assert_allclose(frame["proxy"], expected, atol=1e-5)
    assert frame["kl"].abs().max() < 1e-4  # the reference from itself
    limit = shared.profile.max_response_tokens
    assert frame["tokens"].between(1, limit).all()
    assert frame.loc[~frame["ended"], "tokens"].eq(limit).all()


def test_the_same_seed_gives_the_same_sample_and_leaves_the_callers_generator(shared):
    state = torch.get_rng_state()
    first, again, other = (sample(shared, PROMPTS, seed=seed)["completion"].tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(state, torch.get_rng_state())


def test_kl_is_measured_from_the_reference(shared):
    assert sample(shared, PROMPTS, POLICY)["kl"].abs().max() < 1e-4  # not trained yet
    assert sample(shared, PROMPTS * 4, BASE)["kl"].mean() > 0.1


def test_a_sample_without_a_reward_model_has_no_proxy(profile):
    assert "proxy" not in sample(SharedBase.load(profile), PROMPTS[:2]).columns


def test_models_are_compared_on_the_same_prompts(shared):
    frame = compare_models(shared, PROMPTS[:4])
    assert frame["model"].unique().tolist() == ["base", "sft", "ppo"]
    for _, rows in frame.groupby("model"):
        assert rows["prompt"].tolist() == PROMPTS[:4]
    rates = win_rates(frame, "proxy")
    assert rates.loc["sft", "base"] + rates.loc["base", "sft"] == pytest.approx(1)
    assert np.isnan(rates.loc["sft", "sft"])
    assert rates.loc["ppo", "sft"] == 0.5  # one model with one seed: all ties


def test_gold_gain():
    gain = gold_gain([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0], [0.5, 1.5, 2.5]])
    assert gain.estimate == pytest.approx(0.75) and (gain.n, gain.seeds) == (3, 2)
    assert gain.low > 0


def test_pair_scores(shared):
    rows = [pair(" a cat", " a cat sat down", 0), pair(" help", " money", 1, strength=4, annotator="ben")]
    frame = pair_scores(shared, rows)
    np.testing.assert_allclose(
        frame["chosen"], shared.reward([r.prompt for r in rows], [r.chosen for r in rows]), atol=1e-5
    )
    assert frame["chosen_words"].tolist() == [2, 1] and frame["rejected_words"].tolist() == [4, 1]
    assert frame["annotator"].tolist() == ["ada", "ben"] and frame["strength"].tolist() == [2, 4]


def test_accuracy_counts_a_tie_as_half_right():
    interval = accuracy([1.0, 0.5, 0.0, 2.0], [0.0, 0.5, 1.0, 1.0])
    assert interval.estimate == 0.625 and interval.n == 4


def test_the_best_possible_accuracy_lies_between_a_coin_and_certainty():
    post = draw_posts(1, seed=0)[0]
    good = f" I want to {post.goal.text(0)}."
    assert 0.5 < best_possible([pair(good, " Hello.", prompt=post.prompt)]) < 1
    same = best_possible([pair(" Hello there.", " Hello, there.", prompt=post.prompt)])
    assert same == pytest.approx(0.5, abs=0.05)


LONG, SHORT = " one two three four", " one"


def test_the_length_baseline_learns_its_direction_from_the_training_pairs():
    longer = [pair(LONG, SHORT, i) for i in range(8)]
    shorter = [pair(SHORT, LONG, i) for i in range(8)]
    assert length_baseline(longer, longer).estimate == 1
    assert length_baseline(shorter, shorter).estimate == 1
    assert length_baseline(longer, shorter).estimate == 0
    ties = [pair(" one two", " two one", i) for i in range(8)]
    assert length_baseline(longer, ties).estimate == 0.5
    assert length_margins(longer, longer).tolist() == [3] * 8 and length_margins(shorter, longer).tolist() == [-3] * 8


def test_word_f1_by_hand():
    assert word_f1(" My cat's on $5.", "my CAT'S on the bed") == pytest.approx(2 * 3 / (4 + 5))
    assert word_f1("a a a b", "b a") == 1 and word_f1("a", "b") == 0  # each word counts once
    assert word_f1("", "") == 1 and word_f1("", "a") == 0


def test_the_overlap_baseline_compares_with_the_post_and_nothing_else():
    """Words of title, subreddit and the prompt's frame do not count."""
    prompt = "SUBREDDIT: r/Pets\n\nTITLE: Worried\n\nPOST: my cat will not eat\n\nTL;DR:"
    near, far = " my cat will not eat", " worried tl dr pets"
    pairs = [pair(near, far, prompt=prompt), pair(far, near, prompt=prompt)]
    assert overlap_margins(pairs).tolist() == [1, -1] and overlap_baseline(pairs).estimate == 0.5
    assert overlap_baseline([pair(near, " eat will not cat my", prompt=prompt)]).estimate == 0.5  # a tie is half right


def test_two_judges_are_compared_on_the_same_pairs():
    """Pair by pair a small difference shows that two separate intervals would hide."""
    better, worse = np.ones(400), np.ones(400)
    better[:100], worse[:120] = -1, -1  # right in 300 and in 280 pairs, the former wherever the latter is
    gain = accuracy_gain(better, worse)
    assert gain.estimate == pytest.approx(0.05) and gain.low > 0
    assert accuracy(better, 0 * better).low < accuracy(worse, 0 * worse).high
    assert accuracy_gain([0.0, 2.0], [5.0, -1.0]).estimate == pytest.approx(0.25)  # a tie is half right


def test_gain_over_seeds_is_the_mean_of_the_gains_of_the_seeds():
    a, b = np.array([[1.0, -1, 0], [1, 1, -1]]), np.array([[-1.0, -1, 1], [1, -1, -1]])
    gain = accuracy_gain_over_seeds(a, b)
    assert gain.estimate == pytest.approx(np.mean([accuracy_gain(*seed).estimate for seed in zip(a, b, strict=True)]))
    assert (gain.n, gain.seeds) == (3, 2)


def test_reliability_has_a_row_for_each_bin_that_holds_something():
    table = reliability([0.55, 0.58, 1.0, 0.95], [True, False, True, True])
    assert table["confidence"].tolist() == pytest.approx([0.565, 0.975])
    assert table["estimate"].tolist() == [0.5, 1.0] and table["n"].tolist() == [2, 2]
    assert (table["low"] < table["estimate"]).all() and (table["high"] >= table["estimate"]).all()
    gap = (table["estimate"] - table["confidence"]).abs()
    error = expected_calibration_error([0.55, 0.58, 1.0, 0.95], [True, False, True, True])
    assert np.average(gap, weights=table["n"]) == pytest.approx(error)


def test_accuracy_over_seeds_counts_ties_half_and_is_wider_where_seeds_differ():
    margins = np.array([[1.0, -2, 0, 3], [1, -1, 0, 2]])
    assert accuracy_over_seeds(margins)[::3] == (0.625, 4) and accuracy_over_seeds(margins).seeds == 2
    rng = np.random.default_rng(0)
    alike = np.tile(rng.normal(0.5, 1, 400), (3, 1))
    apart = np.concatenate([alike[:1] + 1, alike[:1], alike[:1] - 1])
    widths = [interval.high - interval.low for interval in map(accuracy_over_seeds, (alike, apart))]
    assert widths[1] > 2 * widths[0]
