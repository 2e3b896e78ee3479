"""The trunk and the branches: the same numbers as a model that computes everything again, with less work."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.files import LabError
from helpers.models.decoder import TrunkMemory
from helpers.models.loading import lora_config, trunk_layers
from helpers.models.shared_base import BASE, POLICY, REFERENCE, REWARD, SharedBase
from helpers.training.ppo import PPO
from helpers.training.ppo_config import PPOConfig

from ..support.shared_base import COMPLETIONS, PROMPTS, random_adapters
from ..support.tiny import make_checkpoint, short

LAYERS = 3


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return str(make_checkpoint(tmp_path_factory.mktemp("models") / "three", layers=LAYERS))


@pytest.fixture(scope="module", params=[1, 2, LAYERS])
def roles(request, base, tmp_path_factory):
    """A profile that adapts the last k of three layers, and its adapters."""
    profile = replace(short(base), adapted_layers=request.param)
    return profile, random_adapters(profile, tmp_path_factory.mktemp("adapters"))


def load(roles) -> SharedBase:
    profile, folders = roles
    return SharedBase.load(profile, sft=folders.sft, reward=folders.reward)


def batch(shared: SharedBase, side: str) -> tuple[Tensor, Tensor]:
    """Token ids of unlike length and their mask, padded on a side."""
    rows = shared.encode(PROMPTS, COMPLETIONS)
    width = max(map(len, rows))
    fill = [[shared.pad_id] * (width - len(row)) for row in rows]
    ids = torch.tensor([f + row if side == "left" else row + f for row, f in zip(rows, fill, strict=True)])
    return ids, ids != shared.pad_id


def plain(shared: SharedBase, ids: Tensor, mask: Tensor, role: str) -> Tensor:
    """transformers' own pass through all layers."""
    positions = (mask.long().cumsum(1) - 1).clamp(min=0)
    with shared.role(role):
        model = shared.peft.base_model.model.model
        return model(input_ids=ids, attention_mask=mask.long(), position_ids=positions).last_hidden_state


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("role", [POLICY, REFERENCE, REWARD, BASE])
@torch.no_grad()
def test_states_are_those_of_the_whole_model(roles, role, side):
    shared = load(roles)
    ids, mask = batch(shared, side)
    whole = plain(shared, ids, mask, role)[mask]
    torch.testing.assert_close(shared.hidden_states(ids, mask, role)[mask], whole, atol=1e-6, rtol=1e-6)
    with shared.trunk_memory.on():
        for _ in range(2):  # computed, then remembered
            torch.testing.assert_close(shared.hidden_states(ids, mask, role)[mask], whole, atol=1e-6, rtol=1e-6)


def gradients(shared: SharedBase, states: Tensor) -> list[Tensor]:
    weights = [p for p in shared.peft.parameters() if p.requires_grad]
    return list(torch.autograd.grad(states.pow(2).sum(), weights))


def test_gradients_are_those_of_the_whole_model(roles):
    shared = load(roles)
    ids, mask = batch(shared, "right")
    expected = gradients(shared, plain(shared, ids, mask, POLICY)[mask])
    with shared.trunk_memory.on():
        shared.hidden_states(ids, mask, REWARD)  # another role fills the memory
        for found, wanted in zip(gradients(shared, shared.hidden_states(ids, mask)[mask]), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-6 * wanted.abs().max().item(), rtol=1e-5)


def updated(shared: SharedBase) -> tuple[list[dict], list[Tensor]]:
    """Records of two updates, and the policy's weights after them."""
    torch.manual_seed(3)
    # Plain gradient steps: AdamW divides the smallest gradients, which are rounding errors, by their own size.
    config = PPOConfig(epochs=2, minibatch_size=4, max_new_tokens=12)
    ppo = PPO(shared, shared.reward, config, optimizer=lambda it, _: torch.optim.SGD(it.trainable_parameters(), 0.05))
    records = [ppo.update(PROMPTS) for _ in range(2)]
    return records, [weight.detach().clone() for weight in shared.trainable_parameters()]


def test_two_updates_of_ppo_are_those_of_an_engine_that_remembers_nothing(roles):
    records, weights = updated(load(roles))
    forgetful = load(roles)
    forgetful.decoder.below = 0  # every pass of every role goes through all layers
    expected, wanted = updated(forgetful)
    for record, other in zip(records, expected, strict=True):
        assert [s["completion"] for s in record["samples"]] == [s["completion"] for s in other["samples"]]
        for name in ("reward", "kl", "policy_loss", "value_loss", "entropy", "gradient_norm"):
            assert record[name] == pytest.approx(other[name], rel=1e-5, abs=1e-6), name
    for weight, other in zip(weights, wanted, strict=True):
        torch.testing.assert_close(weight, other, atol=1e-6, rtol=1e-5)


def test_the_trunk_sees_every_token_of_an_update_once(roles):
    shared = load(roles)
    if not shared.decoder.below:
        pytest.skip("all layers are adapted: there is no trunk")
    seen = []
    shared.decoder.model.layers[0].register_forward_hook(lambda _, args, out: seen.append(args[0].shape[:2].numel()))
    config = PPOConfig(epochs=2, minibatch_size=4, max_new_tokens=12)
    PPO(shared, shared.reward, config).update(PROMPTS)
    sampling = 1 + 12 + 1  # the prompts, each token, and the last tokens for the trunk alone
    again = len(seen) - sampling
    assert again <= 1  # the reward reads texts: where a text's tokens are not those sampled, they are new to it
    assert not shared.trunk_memory.is_on


def test_without_an_update_nothing_is_kept(roles):
    shared = load(roles)
    ids, mask = batch(shared, "right")
    with torch.no_grad():
        before = shared.hidden_states(ids, mask)
        shared.decoder.model.embed_tokens.weight.mul_(2)
        assert not torch.equal(shared.hidden_states(ids, mask), before)


# ---------------------------------------------------------------------------------------------- the memory


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=6), min_size=1, max_size=6), st.data())
def test_the_memory_gives_what_it_was_given_however_rows_are_padded(rows, data):
    def compute(ids: Tensor, mask: Tensor) -> Tensor:
        calls.append(len(ids))
        return (ids.cumsum(1) * mask).unsqueeze(-1).float()  # of a token and those before it

    memory, calls = TrunkMemory(), []
    with memory.on():
        for side in data.draw(st.lists(st.sampled_from(["left", "right"]), min_size=1, max_size=3)):
            width = max(map(len, rows)) + data.draw(st.integers(0, 2))
            ids = torch.tensor(
                [[0] * (width - len(r)) + r if side == "left" else r + [0] * (width - len(r)) for r in rows]
            )
            found = memory.states(ids, ids != 0, compute).squeeze(-1)
            for row, states in zip(rows, found, strict=True):
                assert states[states != 0].tolist() == torch.tensor(row).cumsum(0).tolist()
        assert sum(calls) == len(rows)  # each but once, also what came with it
    assert not memory.is_on


def test_a_new_block_begins_with_nothing_and_a_block_within_changes_nothing():
    memory = TrunkMemory()
    ids, states = torch.tensor([1, 2]), torch.ones(2, 3)
    memory.keep(ids, states)  # off: not kept
    calls: list[int] = []

    def compute(ids: Tensor, mask: Tensor) -> Tensor:
        calls.append(1)
        return torch.zeros(*ids.shape, 3)

    row, mask = ids.unsqueeze(0), torch.ones(1, 2, dtype=torch.bool)
    with memory.on():
        memory.states(row, mask, compute)
        with memory.on():
            memory.keep(ids, states)
        assert torch.equal(memory.states(row, mask, compute)[0], states) and len(calls) == 1
    with memory.on():
        memory.states(row, mask, compute)
    assert len(calls) == 2


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("adapted", [0, -1, LAYERS + 1])
def test_there_are_no_such_layers(base, adapted):
    profile = replace(short(base), adapted_layers=adapted)
    with pytest.raises(LabError, match=f"adapted_layers is {adapted}, but .* has 3 layers: take 1 to 3"):
        lora_config(profile, "causal")
    with pytest.raises(LabError, match="take 1 to 3"):
        SharedBase.load(profile)


def test_an_adapter_of_other_layers_is_refused(roles, base):
    profile, folders = roles
    other = replace(profile, adapted_layers=profile.adapted_layers % LAYERS + 1)
    for given_folders in ({"sft": folders.sft}, {"reward": folders.reward}):
        with pytest.raises(LabError, match=rf"changes {profile.adapted_layers} of 3 layers.*or train it anew"):
            SharedBase.load(other, **given_folders)
    shared = SharedBase.load(other)
    with pytest.raises(LabError, match=f"adapted_layers={profile.adapted_layers}, or train it anew"):
        shared.add_adapter("dpo", folders.sft)


def test_all_layers_is_the_same_as_none_named(base):
    profile = short(base)
    whole = replace(profile, adapted_layers=LAYERS)
    assert trunk_layers(profile) == trunk_layers(whole) == 0
    assert lora_config(whole, "causal").layers_to_transform is None
