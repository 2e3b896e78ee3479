"""Our PPO against implementations by others: TRL 1.12's PPOTrainer (stored numbers), GRPO and RLOO of today's TRL."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trl
from datasets import Dataset
from safetensors.torch import load_file

from helpers.formulas.objectives import clipped_policy_loss, gae, kl_penalized_rewards, masked_mean, rloo_loss
from helpers.models.profiles import PROFILES
from helpers.models.shared_base import SharedBase
from helpers.training import ppo
from helpers.training.groups import _grpo_losses
from helpers.training.losses import Losses
from helpers.training.ppo import PPO
from helpers.training.ppo_config import PPOConfig

from ..support.shared_base import PROMPTS, padded

GOLDEN = Path(__file__).parents[1] / "golden" / "trl_1_12"  # made by benchmarks/golden_trl_1_12.py

# --- TRL 1.12: the score comes one token after </s>, and the value function has a guess there ------------------------


def one_more(mask):
    """The mask with one more token in each row that has room for it."""
    return torch.cat([mask[:, :1], mask[:, :-1]], dim=1) | mask


def rewards_after_the_end(scores, logprobs, ref_logprobs, mask, beta):
    penalties = kl_penalized_rewards(torch.zeros_like(scores), logprobs, ref_logprobs, mask, beta)
    last = one_more(mask).sum(dim=1) - 1
    return penalties.scatter_add(1, last.unsqueeze(1), scores.unsqueeze(1))


def value_loss_after_the_end(values, old_values, returns, mask, clip):
    clipped = values.clamp(old_values - clip, old_values + clip)
    errors = torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
    return 0.5 * masked_mean(errors, one_more(mask))


TRL_1_12 = Losses(
    kl_penalized_rewards=rewards_after_the_end,
    gae=lambda rewards, values, mask, gamma, lam: gae(rewards, values, one_more(mask), gamma, lam),
    value_loss=value_loss_after_the_end,
)


@pytest.mark.parametrize("mode", ["fp32", "nf4"])
def test_ppo_is_that_of_trl_1_12(mode, monkeypatch):
    """Same first weights, responses and scores: the same metrics and the same last weights, without 4 bits and with."""
    facts, tensors = json.loads(GOLDEN.with_suffix(".json").read_text("utf-8")), load_file(f"{GOLDEN}.safetensors")
    given = facts[mode]
    profile = replace(PROFILES["tiny"], lora_rank=2, lora_alpha=4, compute_dtype="float32", quantize=mode == "nf4")
    shared = SharedBase.load(profile)
    trained = {name: p for name, p in shared.named_parameters() if p.requires_grad}
    first, last = ({n: tensors[f"{which}.{n}"] for n in trained} for which in ("first", f"{mode}.last"))
    with torch.no_grad():
        for name, p in trained.items():
            p.copy_(first[name])

    def drawn_from(prompts, ids):
        with torch.no_grad():
            return ids, shared.response_states(prompts, ids)

    responses = iter([tensors[f"{mode}.responses.{update}"] for update in range(len(given["metrics"]))])
    monkeypatch.setattr(shared, "sample", lambda prompts, *_, **__: drawn_from(prompts, next(responses)))
    scores = iter(given["scores"])
    size = len(given["scores"][0])
    whole = {"batch_size": size, "minibatch_size": size, "microbatch_size": None, "max_grad_norm": float("inf")}
    config = PPOConfig(**facts["settings"], **whole, missing_eos_penalty=1.0)
    trainer = PPO(shared, lambda prompts, completions: next(scores), config, TRL_1_12)
    rollouts = []
    roll_out = ppo.roll_out
    monkeypatch.setattr(ppo, "roll_out", lambda *args: rollouts.append(roll_out(*args)) or rollouts[-1])
    for update, theirs in enumerate(given["metrics"]):
        ours = trainer.update(given["prompts"][update * size : (update + 1) * size])
        mask = rollouts[-1].mask
        assert ours["kl"] == pytest.approx(theirs["objective/kl"], abs=1e-5)
        assert ours["reward"] == pytest.approx(theirs["objective/scores"], abs=1e-5)
        assert ours["objective"] == pytest.approx(theirs["objective/rlhf_reward"], abs=1e-5)
        assert ours["policy_loss"] == pytest.approx(theirs["loss/policy_avg"], abs=1e-5)
        assert ours["value_loss"] == pytest.approx(theirs["loss/value_avg"], abs=1e-5)
        # Theirs is a mean over padding too, where it is 0.
        assert ours["approx_kl"] * mask.float().mean() == pytest.approx(theirs["policy/approxkl_avg"], abs=1e-5)
        entropy = -(rollouts[-1].logprobs * mask).sum(1).mean().item()
        assert entropy == pytest.approx(theirs["objective/entropy"], abs=1e-4)
    assert ours["clip_fraction"] > 0  # else the clip was not tried

    moved = sum(((last[n] - first[n]) ** 2).sum() for n in trained).sqrt()
    apart = sum(((last[n] - p) ** 2).sum() for n, p in trained.items()).sqrt()
    assert moved > 0.5 and apart / moved < 1e-4


# --- TRL of today: the losses of GRPO and RLOO ------------------------------------------------------------------------


def trl_trainer(trainer, config, model, tokenizer, folder, **options):
    """A trainer of TRL's, with the parts that `_compute_loss` needs."""
    args = config(
        output_dir=str(folder), per_device_train_batch_size=8, num_generations=2, max_completion_length=8,
        use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, **{"beta": 0.0, **options},
    )  # fmt: skip
    rows = Dataset.from_dict({"prompt": PROMPTS})
    return trainer(
        model=model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
    )


@pytest.mark.parametrize(
    ("loss_type", "losses"),
    [("grpo", _grpo_losses(4, "loss", True, None)), ("dr_grpo", _grpo_losses(4, "loss", False, 8))],
)
def test_grpos_loss_with_its_kl_is_that_of_trl(loss_type, losses, profile, adapters, tmp_path):
    """As published, and Dr. GRPO's: what each is a mean over, the KL as k3, and the loss put together of its parts."""
    shared = SharedBase.load(replace(profile, quantize=False), sft=adapters.sft)
    options = {"loss_type": loss_type, "beta": 0.07, "use_bias_correction_kl": False}  # as published
    model = shared.peft.get_base_model()
    theirs = trl_trainer(trl.GRPOTrainer, trl.GRPOConfig, model, shared.tokenizer, tmp_path, **options)
    prompts, responses, mask = padded(shared, left=2, right=3)
    generator = torch.Generator().manual_seed(0)
    advantages = torch.randn(len(prompts), generator=generator)

    def moved(size: float) -> torch.Tensor:
        return (logprobs + size * torch.randn(logprobs.shape, generator=generator)).detach()

    logprobs = shared.response_logprobs(prompts, responses)
    old, reference = moved(0.3), moved(0.5)
    loss = theirs._compute_loss(
        theirs.model,
        {
            "prompt_ids": prompts,
            "prompt_mask": (prompts != shared.pad_id).long(),
            "completion_ids": responses,
            "completion_mask": mask.long(),
            "advantages": advantages,
            "old_per_token_logps": old,
            "ref_per_token_logps": reference,
        },
    )

    def ours(rows: slice) -> torch.Tensor:
        new, here = logprobs[rows], mask[rows]
        policy_loss = losses.policy_loss(new, old[rows], advantages[rows, None].expand_as(new), here, 0.2)
        return policy_loss + 0.07 * losses.kl_loss(new, reference[rows], here)

    whole = ours(slice(None))
    assert whole.item() == pytest.approx(loss.item(), abs=1e-5)
    parts = [slice(0, 3), slice(3, None)]
    together = sum(losses.size(mask[part]) / losses.size(mask) * ours(part) for part in parts)
    assert together.item() == pytest.approx(whole.item(), abs=1e-6)
    trained = [p for p in shared.peft.parameters() if p.requires_grad]
    for a, b in zip(torch.autograd.grad(whole, trained), torch.autograd.grad(loss, trained), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["GRPO", "RLOO"])
def test_the_clipped_loss_is_that_of_trl(name, profile, adapters, tmp_path):
    """GRPO clips each token, as PPO does; RLOO the probability of a whole response."""
    shared = SharedBase.load(replace(profile, quantize=False), sft=adapters.sft)
    trainer, config = getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config")
    options = {"loss_type": "bnpo"} if name == "GRPO" else {}
    # The bare model, whose layers hold our adapters: RLOO wants one named "default" of any other.
    theirs = trl_trainer(trainer, config, shared.peft.get_base_model(), shared.tokenizer, tmp_path, **options)

    prompts, responses, mask = padded(shared, left=2, right=3)
    generator = torch.Generator().manual_seed(0)
    advantages = torch.randn(len(prompts), generator=generator)
    logprobs = shared.response_logprobs(prompts, responses)
    old = (logprobs + 0.3 * torch.randn(logprobs.shape, generator=generator)).detach()
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": (prompts != shared.pad_id).long(),
        "completion_ids": responses,
        "completion_mask": mask.long(),
        "advantages": advantages,
        "old_per_token_logps": old,
        "old_logps": (old * mask).sum(1),
    }
    if name == "GRPO":
        ours = clipped_policy_loss(logprobs, old, advantages.unsqueeze(1).expand_as(old), mask, 0.2)
    else:
        ours = rloo_loss(logprobs, old, advantages.unsqueeze(1).expand_as(old), mask, 0.2)
    trained = [p for p in shared.peft.parameters() if p.requires_grad]
    loss = theirs._compute_loss(theirs.model, inputs)
    assert ours.item() == pytest.approx(loss.item(), abs=1e-5)
    for a, b in zip(torch.autograd.grad(ours, trained), torch.autograd.grad(loss, trained), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)
    ratio = (logprobs - old).exp()[mask]
    assert ((ratio < 0.8) | (ratio > 1.2)).any()  # else the clip was not tried
