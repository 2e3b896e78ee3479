"""One base in four roles: what each role computes, what trains, what is saved."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from peft import PeftModel

from helpers.files import LabError
from helpers.formulas.lora import mixed_update
from helpers.models.loading import load_base, load_tokenizer
from helpers.models.shared_base import BASE, POLICY, REFERENCE, REWARD, SharedBase
from helpers.runs.artifacts import check_adapter
from helpers.training.reward_model import score_texts

from ..support.shared_base import (
    COMPLETIONS,
    PROMPTS,
    changed,
    folder_files,
    load_trained_reward_model,
    logprobs,
    padded,
    weights,
)

ROLES = (BASE, REFERENCE, POLICY, REWARD)


def move_policy(shared, seed=3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in shared.trainable_parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)


def test_the_policy_begins_as_the_reference(shared):
    assert torch.equal(logprobs(shared, POLICY), logprobs(shared, REFERENCE))
    assert not torch.allclose(logprobs(shared, POLICY), logprobs(shared, BASE), atol=1e-2)
    move_policy(shared)
    assert not torch.allclose(logprobs(shared, POLICY), logprobs(shared, REFERENCE), atol=1e-2)


def test_without_sft_the_reference_is_the_base(profile):
    shared = SharedBase.load(profile)
    assert torch.equal(logprobs(shared, REFERENCE), logprobs(shared, BASE))
    assert torch.equal(logprobs(shared, POLICY), logprobs(shared, BASE))  # a fresh adapter does nothing
    with pytest.raises(ValueError, match="without a reward model"):
        shared.reward(PROMPTS, COMPLETIONS)


def test_adapters_off_is_the_plain_base(profile, shared):
    move_policy(shared)
    prompts, responses, _ = padded(shared)
    ids = torch.cat([prompts, responses], dim=1)
    mask = (ids != shared.pad_id).long()
    with torch.no_grad():
        ours = shared.logits(shared.hidden_states(ids, mask, BASE))
        position_ids = (mask.cumsum(1) - 1).clamp(min=0)
        plain = load_base(profile)(input_ids=ids, attention_mask=mask, position_ids=position_ids).logits
    assert torch.equal(ours[mask.bool()], plain[mask.bool()].float())


def test_the_value_begins_at_zero(shared):
    prompts, _, _ = padded(shared)
    hidden = shared.hidden_states(prompts, prompts != shared.pad_id)
    assert not shared.values(hidden).any()


@pytest.mark.parametrize(("left", "right"), [(5, 0), (0, 4), (3, 3)])
@pytest.mark.parametrize("role", [BASE, REFERENCE, POLICY])
def test_padding_changes_no_logprob(shared, role, left, right):
    torch.testing.assert_close(logprobs(shared, role, left, right), logprobs(shared, role), atol=2e-5, rtol=1e-4)


def test_the_beginning_of_a_prompt_matters(shared):
    """Or that padding does not would mean little."""
    prompts, responses, mask = padded(shared)
    prompts[:, -2] = prompts[:, -2].roll(1)
    with torch.no_grad():
        other = shared.response_logprobs(prompts, responses) * mask
    assert (other - logprobs(shared, POLICY)).abs().max() > 1e-2


def test_a_response_alone_has_the_logprobs_it_has_in_a_batch(shared):
    prompts, responses, mask = padded(shared)
    together = logprobs(shared, POLICY)
    for i in range(len(prompts)):
        prompt, response = prompts[i][prompts[i] != shared.pad_id], responses[i][mask[i]]
        with torch.no_grad():
            alone = shared.response_logprobs(prompt[None], response[None], POLICY)[0]
        torch.testing.assert_close(alone, together[i, : len(alone)], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("role", [BASE, REFERENCE, POLICY])
def test_states_that_predict_a_response_are_those_of_the_padded_rows(shared, role):
    """Computed on rows moved together, and by masking the padding."""
    prompts, responses, mask = padded(shared, left=2, right=3)
    ids = torch.cat([prompts, responses], dim=1)
    with torch.no_grad():
        masked = shared.hidden_states(ids, ids != shared.pad_id, role)[:, prompts.shape[1] - 1 : -1]
        moved = shared.response_states(prompts, responses, role)
    assert moved.shape == masked.shape
    torch.testing.assert_close(moved[mask], masked[mask], atol=1e-5, rtol=1e-4)


def test_a_padding_token_inside_a_response_is_a_token(shared):
    """The policy may draw it, and then has to account for it."""
    prompts, responses, _ = padded(shared)
    row = int((responses != shared.pad_id).sum(1).argmax())
    responses[row, 1] = shared.pad_id
    with torch.no_grad():
        ids = torch.cat([prompts[row][prompts[row] != shared.pad_id], responses[row]])[None]
        alone = shared.hidden_states(ids, torch.ones_like(ids))[0, -len(responses[row]) - 1 : -1]
        states = shared.response_states(prompts, responses)[row]
    torch.testing.assert_close(states, alone, atol=1e-5, rtol=1e-4)


def test_gradient_checkpointing_keeps_less_and_changes_no_gradient(profile, adapters):
    gradients, kept = [], []
    for checkpointing in (False, True):
        shared = SharedBase.load(replace(profile, gradient_checkpointing=checkpointing), sft=adapters.sft)
        move_policy(shared)
        prompts, responses, mask = padded(shared)
        uniforms, sizes = torch.rand(len(prompts), 6, generator=torch.Generator().manual_seed(0)), {}
        drawn, _ = shared.sample(prompts, uniforms)

        def keep(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = (shared.response_logprobs(prompts, responses) * mask).sum()
        shared.response_logprobs(prompts, responses, REFERENCE)  # another role, before the backward pass
        loss.backward()
        assert torch.equal(shared.sample(prompts, uniforms)[0], drawn)  # its cache, which checkpointing would drop
        kept.append(sum(sizes.values()))
        gradients.append([p.grad for p in shared.trainable_parameters() if p.grad is not None])
    assert kept[1] < 0.5 * kept[0]
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain)


# --------------------------------------------------------------------------------------------- reward


def test_the_reward_is_the_reward_models_own_score(profile, adapters, shared):
    model, scale = load_trained_reward_model(profile, adapters.reward)
    expected = scale(score_texts(profile, model, load_tokenizer(profile), PROMPTS, COMPLETIONS))
    ours = shared.reward(PROMPTS, COMPLETIONS)
    assert ours.dtype == torch.float32 and ours.shape == (len(PROMPTS),)
    torch.testing.assert_close(ours.double(), torch.tensor(expected), atol=1e-5, rtol=1e-4)
    assert ours.std() > 0.01  # or equality would mean nothing


def test_the_reward_depends_neither_on_batch_nor_order(shared):
    expected = shared.reward(PROMPTS, COMPLETIONS)
    for batch_size in (1, 3):
        torch.testing.assert_close(shared.reward(PROMPTS, COMPLETIONS, batch_size), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shared.reward(PROMPTS[::-1], COMPLETIONS[::-1]).flip(0), expected, atol=1e-5, rtol=1e-4)


def test_the_reward_does_not_follow_the_policy(shared):
    before = shared.reward(PROMPTS, COMPLETIONS)
    move_policy(shared)
    assert torch.equal(shared.reward(PROMPTS, COMPLETIONS), before)


def test_the_reward_of_no_texts_and_of_very_long_ones(shared):
    assert shared.reward([], []).shape == (0,)
    assert shared.reward(["POST: " + "dog " * 500], [" cat" * 500]).isfinite().all()


# ------------------------------------------------------------------------------------------- training


def test_only_policy_and_value_train_whatever_ran_before(shared):
    trains = {name for name, p in shared.named_parameters() if p.requires_grad}
    assert trains and all(".policy." in name or name.startswith("value_head.") for name in trains)
    for role in ROLES:
        with shared.role(role):
            pass
        with pytest.raises(ZeroDivisionError), shared.role(role):
            raise ZeroDivisionError
        assert {name for name, p in shared.named_parameters() if p.requires_grad} == trains
        assert shared.peft.active_adapter == POLICY
    shared.complete(PROMPTS[:2], role=BASE, max_new_tokens=2)
    shared.reward(PROMPTS, COMPLETIONS)
    assert {name for name, p in shared.named_parameters() if p.requires_grad} == trains


def test_gradients_reach_policy_and_value_only_even_after_other_roles(shared):
    prompts, responses, mask = padded(shared)
    ids = torch.cat([prompts, responses], dim=1)
    hidden = shared.hidden_states(ids, ids != shared.pad_id)  # the graph, before the other roles run
    for role in ROLES:
        logprobs(shared, role)
    loss = shared.logits(hidden)[:, -1].square().mean() + (shared.values(hidden) - 1).square().mean()
    loss.backward()
    reached = {name for name, p in shared.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached and all(".policy." in name or name.startswith("value_head.") for name in reached)
    assert any("lora_B" in name for name in reached) and "value_head.weight" in reached


# --------------------------------------------------------------------------------------- save and load


def test_an_adapter_of_another_base_is_refused(profile, adapters, tmp_path):
    for name in ("sft", "reward"):
        folder = shutil.copytree(getattr(adapters, name), tmp_path / name)
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "other/llama"}))
        with pytest.raises(LabError, match=f"{name} was trained on the base model other/llama, not on"):
            SharedBase.load(profile, **{name: folder})


def test_a_saved_policy_is_the_same_when_loaded(profile, adapters, shared, tmp_path):
    move_policy(shared)
    shared.write_policy(tmp_path)
    check_adapter(tmp_path)
    assert folder_files(tmp_path) >= {"adapter_config.json", "adapter_model.safetensors", "value_head.safetensors"}
    fresh = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
    before = weights(fresh)
    fresh.load_policy(tmp_path)
    assert torch.equal(logprobs(fresh, POLICY), logprobs(shared, POLICY))
    assert torch.equal(logprobs(fresh, REFERENCE), logprobs(shared, REFERENCE))
    assert all(".policy." in name or name.startswith("value_head.") for name in changed(fresh, before))
    assert torch.equal(fresh.value_head.weight, shared.value_head.weight)


def test_peft_reads_a_saved_policy(profile, shared, tmp_path):
    move_policy(shared)
    shared.write_policy(tmp_path)
    model = PeftModel.from_pretrained(load_base(profile), tmp_path).eval()
    ids = torch.tensor(shared.encode(PROMPTS[:1], COMPLETIONS[:1]))
    with torch.no_grad():
        ours = shared.logits(shared.hidden_states(ids, torch.ones_like(ids)))
        theirs = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_policy_without_a_value_head_leaves_the_value_head(adapters, shared):
    move_policy(shared)
    head = shared.value_head.weight.detach().clone()
    shared.load_policy(adapters.sft)
    assert torch.equal(shared.value_head.weight, head)
    assert torch.equal(logprobs(shared, POLICY), logprobs(shared, REFERENCE))


# --- More adapters on one base ------------------------------------------------


def test_an_added_adapter_is_a_role_and_changes_no_other(shared, adapters, tmp_path):
    move_policy(shared)
    shared.write_policy(tmp_path)
    before = {role: logprobs(shared, role) for role in (BASE, REFERENCE, POLICY)}
    trained = len(shared.trainable_parameters())
    shared.add_adapter("tuned", tmp_path)
    assert torch.equal(logprobs(shared, "tuned"), before[POLICY])
    assert all(torch.equal(logprobs(shared, role), values) for role, values in before.items())
    assert len(shared.trainable_parameters()) == trained  # it is frozen
    scores = shared.reward(PROMPTS, COMPLETIONS)
    shared.complete(PROMPTS[:2], "tuned", max_new_tokens=2)
    assert torch.equal(shared.reward(PROMPTS, COMPLETIONS), scores)


def test_a_mixture_is_the_weighted_sum_of_the_updates(shared, tmp_path):
    move_policy(shared)
    shared.mix_adapters("alone", {POLICY: 1.0})
    shared.mix_adapters("between", {POLICY: 0.25, REFERENCE: 0.75})
    shared.mix_adapters("nothing", {POLICY: 1.0, REFERENCE: 0.0, "alone": -1.0})
    assert torch.allclose(logprobs(shared, "alone"), logprobs(shared, POLICY), atol=1e-4)
    assert torch.allclose(logprobs(shared, "nothing"), logprobs(shared, BASE), atol=1e-4)
    layer = shared.peft.base_model.model.model.layers[0].self_attn.q_proj

    def update(name):
        return layer.scaling[name] * layer.lora_B[name].weight @ layer.lora_A[name].weight

    assert torch.allclose(update("between"), 0.25 * update(POLICY) + 0.75 * update(REFERENCE), atol=1e-6)
    parts = [(layer.lora_A[n].weight, layer.lora_B[n].weight, layer.scaling[n]) for n in (POLICY, REFERENCE)]
    assert torch.allclose(update("between"), mixed_update(parts, [0.25, 0.75]), atol=1e-6)


@pytest.mark.parametrize("name", [POLICY, REFERENCE, BASE, "half", "a.b", ""])
def test_a_name_that_is_taken_is_refused(shared, adapters, name):
    with pytest.raises(LabError, match="another name"):
        shared.add_adapter(name, adapters.sft)
    with pytest.raises(LabError, match="another name"):
        shared.mix_adapters(name, {POLICY: 1.0})


def test_what_is_not_there_cannot_be_mixed(shared):
    with pytest.raises(LabError, match="no adapter 'dpo' to mix into 'new': use some of policy, reference, reward"):
        shared.mix_adapters("new", {POLICY: 0.5, "dpo": 0.5})
    assert "new" not in shared.adapters
    shared.mix_adapters("new", {POLICY: 0.5})
    with pytest.raises(LabError, match="no adapter 'new' to mix into 'new'"):
        shared.mix_adapters("new", {"new": 2.0})
    assert "new" in shared.adapters


def test_an_adapter_takes_the_place_of_one_of_its_name(shared, adapters, tmp_path):
    """A student runs a cell again, with another adapter."""
    move_policy(shared)
    shared.write_policy(tmp_path)
    before = {role: logprobs(shared, role) for role in (BASE, REFERENCE, POLICY)}
    shared.mix_adapters("mine", {POLICY: 2.0, REFERENCE: 1.0})  # of another rank
    logprobs(shared, "mine")
    shared.add_adapter("mine", adapters.sft)
    assert torch.equal(logprobs(shared, "mine"), before[REFERENCE])
    shared.add_adapter("mine", tmp_path)
    assert torch.equal(logprobs(shared, "mine"), before[POLICY])
    assert all(torch.equal(logprobs(shared, role), values) for role, values in before.items())
    assert shared.adapters == [POLICY, REFERENCE, REWARD, "mine"]
