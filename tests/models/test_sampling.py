"""Sampling for rollouts: from the model's own distribution, each row from its own numbers alone."""

import pytest
import torch

from helpers.models import sampling
from helpers.models.generation import generate_ids, pad_left, response_mask
from helpers.models.loading import prompt_ids
from helpers.models.shared_base import POLICY, REFERENCE

from ..support.shared_base import PROMPTS

LONGEST = 12


@pytest.fixture
def prompts(shared):
    return pad_left(prompt_ids(shared.profile, shared.tokenizer, PROMPTS), shared.pad_id)


@pytest.fixture
def uniforms():
    return torch.rand(len(PROMPTS), LONGEST, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def ending(shared):
    """The model, with </s> made likely, so that rows end at many places."""
    with torch.no_grad():
        shared.peft.base_model.model.lm_head.weight[shared.eos_id] *= 3.0
    return shared


def widened(rows, width, pad_id):
    return torch.nn.functional.pad(rows, (0, width - rows.shape[1]), value=pad_id)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_first_tokens_have_the_models_probabilities(shared, prompts, temperature):
    """One prompt, and numbers at equal distances: every token comes as often as its probability says, up to one."""
    n = 2000
    numbers = ((torch.arange(n) + 0.5) / n).unsqueeze(1)
    drawn = shared.sample(prompts[:1].expand(n, -1), numbers, temperature=temperature)[0]
    hidden = shared.hidden_states(prompts[:1], prompts[:1] != shared.pad_id)[:, -1]
    expected = (shared.logits(hidden) / temperature).softmax(-1)[0]
    counts = torch.bincount(drawn[:, 0], minlength=len(expected))
    assert (counts - n * expected).abs().max() <= 1.01


def test_a_row_depends_on_its_own_numbers_alone(ending, prompts, uniforms, monkeypatch):
    together = ending.sample(prompts, uniforms)[0]
    ended = together == ending.eos_id
    assert len(set(ended.long().argmax(1).tolist())) > 3  # rows end at different places
    order = torch.tensor([3, 1, 7, 0, 5, 2, 6, 4])
    assert torch.equal(ending.sample(prompts[order], uniforms[order])[0], together[order])
    for row in range(len(prompts)):
        alone = ending.sample(prompts[row : row + 1], uniforms[row : row + 1])[0]
        assert torch.equal(widened(alone, together.shape[1], ending.pad_id)[0], together[row])
    further = torch.cat([torch.full((len(prompts), 3), ending.pad_id), prompts], dim=1)
    assert torch.equal(ending.sample(further, uniforms)[0], together)
    for leave in (10**9, 0):  # each row leaves at once; none ever leaves
        monkeypatch.setattr(sampling, "LEAVE", leave)
        assert torch.equal(ending.sample(prompts, uniforms)[0], together)


def test_after_the_end_there_is_padding_and_the_width_is_that_of_the_longest(ending, prompts, uniforms):
    ids = ending.sample(prompts, uniforms)[0]
    ended = (ids == ending.eos_id).long()
    after = ended.cumsum(1) - ended > 0
    assert after.any() and (ids[after] == ending.pad_id).all() and (ids[~after] != ending.pad_id).all()
    assert (~after[:, -1]).any()


@pytest.mark.parametrize("role", [POLICY, REFERENCE])
def test_towards_temperature_zero_it_is_greedy_generation(shared, prompts, uniforms, role):
    with shared.role(role):
        greedy = generate_ids(shared.peft, prompts, shared.tokenizer, max_new_tokens=LONGEST, do_sample=False)
    cold = shared.sample(prompts, uniforms, role, temperature=1e-4)[0]
    assert torch.equal(cold, greedy[:, : cold.shape[1]])


def test_the_states_are_those_that_a_pass_without_a_cache_gives(ending, prompts, uniforms):
    ids, states = ending.sample(prompts, uniforms)
    mask = response_mask(ids, ending.eos_id)
    with torch.no_grad():
        whole = ending.response_states(prompts, ids)
    torch.testing.assert_close(states[mask], whole[mask], atol=1e-5, rtol=1e-4)
    assert not states[~mask].any() and not mask.all()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_few_rows_at_a_time_as_memory_allows(ending, prompts, uniforms, monkeypatch, rows):
    ids, states = ending.sample(prompts, uniforms)
    monkeypatch.setattr(ending, "rows_at_once", lambda prompt, response: rows)
    again, states_again = ending.sample(prompts, uniforms)
    assert torch.equal(again, ids)
    torch.testing.assert_close(states_again, states, atol=1e-5, rtol=1e-4)


def test_copies_of_a_prompt_share_its_pass_and_are_drawn_as_without(ending, prompts, uniforms):
    copied = prompts[[0, 0, 0, 1, 2, 2, 3, 3]]
    seen = []
    hook = ending.decoder.model.layers[0].register_forward_hook(lambda _, args, out: seen.append(args[0].shape[:2]))
    ids, states = ending.sample(copied, uniforms)
    hook.remove()
    assert seen[0] == (4, prompts.shape[1]) and seen[1] == (8, 1)
    for row in range(len(copied)):
        alone, its_states = ending.sample(copied[row : row + 1], uniforms[row : row + 1])
        length = (alone != ending.pad_id).sum()
        assert torch.equal(widened(alone, ids.shape[1], ending.pad_id)[0], ids[row])
        torch.testing.assert_close(its_states[0, :length], states[row, :length], atol=1e-5, rtol=1e-5)
