"""Sampling: padding, masks, seeds, order."""

from __future__ import annotations

import pytest
import torch

from helpers.models.generation import complete, generate_ids, pad_left, response_mask
from helpers.models.loading import load_base, load_tokenizer, prompt_ids

from ..support.shared_base import PROMPTS

EOS, PAD = 2, 0


@pytest.fixture(scope="module")
def model(profile):
    return load_base(profile)


@pytest.fixture(scope="module")
def tokenizer(profile):
    return load_tokenizer(profile)


def encoded(profile, tokenizer, prompts=PROMPTS):
    return pad_left(prompt_ids(profile, tokenizer, prompts), tokenizer.pad_token_id)


def test_pad_left():
    assert pad_left([[1, 5], [1, 5, 6]], PAD).tolist() == [[0, 1, 5], [1, 5, 6]]


@pytest.mark.parametrize(
    ("response", "mask"),
    [
        ([7, 8, EOS, PAD], [1, 1, 1, 0]),
        ([EOS, PAD, PAD, PAD], [1, 0, 0, 0]),  # empty: only its end
        ([7, 8, 9, 10], [1, 1, 1, 1]),  # never ends
        ([7, 8, 9, EOS], [1, 1, 1, 1]),
        ([7, EOS, 9, EOS], [1, 1, 0, 0]),  # what comes after the first end is not part of it
        ([7, PAD, 9, EOS], [1, 1, 1, 1]),  # a sampled <pad> is a token like any other
    ],
)
def test_response_mask(response, mask):
    assert response_mask(torch.tensor([response]), EOS).long().tolist() == [mask]


def test_responses_hold_padding_only_after_the_end(profile, model, tokenizer):
    def end_soon(_, logits):  # a random model hardly ever ends
        logits[:, tokenizer.eos_token_id] += 4
        return logits

    torch.manual_seed(0)
    prompts = encoded(profile, tokenizer)
    ids = generate_ids(model, prompts, tokenizer, max_new_tokens=12, logits_processor=[end_soon])
    mask = response_mask(ids, tokenizer.eos_token_id)
    assert ids.shape[0] == len(PROMPTS) and ids.shape[1] <= 12
    assert mask[:, 0].all() and not mask.all()
    assert (ids[~mask] == tokenizer.pad_token_id).all()


def test_sampling_is_from_the_model_as_it_is(profile, model, tokenizer):
    """Whatever a checkpoint's own generation settings say: Llama 2's are temperature 0.6 and top_p 0.9."""
    before = model.generation_config.to_dict()
    torch.manual_seed(0)
    plain = generate_ids(model, encoded(profile, tokenizer), tokenizer, max_new_tokens=8)
    try:
        model.generation_config.update(temperature=0.1, top_p=0.1, top_k=2)
        torch.manual_seed(0)
        same = generate_ids(model, encoded(profile, tokenizer), tokenizer, max_new_tokens=8)
    finally:
        model.generation_config.update(**before)
    assert torch.equal(plain, same)


def test_the_seed_decides_and_the_callers_generator_is_left_alone(profile, model, tokenizer):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (complete(model, profile, tokenizer, PROMPTS, max_new_tokens=8, seed=s) for s in (1, 1, 2))
    assert first == again != other
    assert torch.equal(state, torch.get_rng_state())


def test_greedy_completions_depend_neither_on_batch_nor_order(profile, model, tokenizer):
    def greedy(prompts, batch_size):
        options = {"max_new_tokens": 10, "batch_size": batch_size, "do_sample": False}
        return complete(model, profile, tokenizer, prompts, **options)

    alone = greedy(PROMPTS, 1)
    assert greedy(PROMPTS, 3) == greedy(PROMPTS, 8) == alone
    assert greedy(PROMPTS[::-1], 8) == alone[::-1]
    assert len(set(alone)) > 1


def test_no_special_tokens_in_the_text_and_no_prompts_no_texts(profile, model, tokenizer):
    texts = complete(model, profile, tokenizer, PROMPTS, max_new_tokens=16)
    assert not any(token in text for text in texts for token in ("<s>", "</s>", "<pad>"))
    assert complete(model, profile, tokenizer, []) == []
