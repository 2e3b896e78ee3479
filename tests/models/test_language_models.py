"""Causal and sequence-to-sequence checkpoints, and roles, behind one interface: against plain loops without caches."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from helpers.files import LabError
from helpers.models.language_model_loading import load_language_model
from helpers.models.language_models import LanguageModel, RoleModel
from helpers.models.prompt_formats import Ask, flan, llama2_chat, plain
from helpers.models.shared_base import BASE, POLICY, REFERENCE

from ..support.checkpoints import write_json
from ..support.tiny import WORDS

PROMPTS = [f"Post: {' '.join(WORDS[i : i + 1 + i])}" for i in range(5)]
ASK = Ask(
    "Post: my cat is ill\n",
    "Topic:",
    "Name the topic.",
    ("pets", "work"),
    (("Post: a job\n", "work"),),
    "You are a vet.",
)

KINDS = ("gpt2", "t5", "flan", "llama")


@pytest.fixture(params=KINDS)
def model(request, loaded) -> LanguageModel:
    return loaded[request.param]


@torch.no_grad()
def greedy_loop(model: LanguageModel, prompt: str, steps: int) -> list[int]:
    """The most probable token, again and again, from whole forward passes: no cache, no padding, no `generate`."""
    ids, new = model._tokens(prompt), []
    for _ in range(steps):
        if model.kind == "seq2seq":
            decoder = torch.tensor([[0, *new]])
            logits = model._model(input_ids=torch.tensor([ids]), decoder_input_ids=decoder).logits
        else:
            logits = model._model(torch.tensor([[*ids, *new]])).logits
        new.append(int(logits[0, -1].argmax()))
        if new[-1] in model._eos:
            break
    return new


# ---------------------------------------------------------------------------------------------- completions


def test_greedy_completions_are_those_of_a_plain_loop(model):
    expected = [model._text(greedy_loop(model, prompt, 10)) for prompt in PROMPTS]
    assert model.complete(PROMPTS, max_new_tokens=10, do_sample=False) == expected
    assert len(set(expected)) > 2


def test_greedy_completions_depend_neither_on_batch_nor_order(model):
    def greedy(prompts, size):
        return model.complete(prompts, max_new_tokens=10, batch_size=size, do_sample=False)

    assert greedy(PROMPTS, 5) == greedy(PROMPTS, 2) == greedy(PROMPTS, 1) == greedy(PROMPTS[::-1], 3)[::-1]
    assert model.complete([]) == []


def test_padding_is_known_by_length(loaded):
    """Here the end stands in for padding, and is in the prompts as well."""
    turns = loaded["turns"]
    prompts = [turns.render(Ask(prompt)) for prompt in PROMPTS]
    assert turns._pad in turns._tokens(prompts[0])
    expected = [turns._text(greedy_loop(turns, prompt, 8)) for prompt in prompts]
    assert turns.complete(prompts, max_new_tokens=8, do_sample=False) == expected
    assert len(set(expected)) > 2


@pytest.mark.parametrize("name", ["gpt2", "flan", "llama"])
def test_rows_of_a_batch_end_at_any_of_the_ends(copy, loaded, name):
    """Llama 3 has several ends; what comes after one is not part of the text."""
    rows = [greedy_loop(loaded[name], prompt, 10) for prompt in PROMPTS]
    ends = {rows[0][3], rows[3][5]}
    folder = copy(name)
    write_json(folder / "generation_config.json", eos_token_id=sorted(ends))
    model = load_language_model(folder)
    cut = [row[: next((i for i, token in enumerate(row) if token in ends), 10)] for row in rows]
    assert len({len(row) for row in cut}) > 1
    expected = [model._text(row) for row in cut]
    assert model.complete(PROMPTS, max_new_tokens=10, do_sample=False) == expected
    assert ["".join(model.stream(p, max_new_tokens=10, do_sample=False)) for p in PROMPTS] == expected


def test_the_seed_decides_and_the_callers_generator_is_left_alone(model):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, *others = (model.complete(PROMPTS, max_new_tokens=8, seed=seed) for seed in (1, 1, 2, 3, 4, 5))
    assert first == again and any(other != first for other in others)  # a random model can be sure of its tokens
    assert torch.equal(state, torch.get_rng_state())
    assert not any(token in text for text in first for token in ("<s>", "</s>", "<pad>", "<|endoftext|>", "<unk>"))


@pytest.mark.parametrize("name", ["gpt2", "t5", "llama"])
def test_a_checkpoints_own_decoding_settings_do_not_count(copy, loaded, name):
    folder = copy(name)
    settings = {"temperature": 0.01, "top_k": 2, "top_p": 0.1, "num_beams": 3, "repetition_penalty": 5.0}
    write_json(folder / "generation_config.json", do_sample=True, no_repeat_ngram_size=1, max_length=3, **settings)
    ours = load_language_model(folder)
    for decoding in ({}, {"do_sample": False}):
        expected = loaded[name].complete(PROMPTS, max_new_tokens=8, **decoding)
        assert ours.complete(PROMPTS, max_new_tokens=8, **decoding) == expected


def test_decoding_settings_of_the_caller_do(model):
    greedy = model.complete(PROMPTS, max_new_tokens=8, do_sample=False)
    assert model.complete(PROMPTS, max_new_tokens=8, top_k=1) == greedy
    assert model.complete(PROMPTS, max_new_tokens=8, temperature=1e-4) == greedy
    assert model.complete(PROMPTS, max_new_tokens=8, do_sample=False, repetition_penalty=50.0) != greedy
    for wrong in ({"temperature": 0.0}, {"temprature": 1.0}, {"top_p": -1.0}):
        with pytest.raises(LabError, match=f"cannot decode with {{'{next(iter(wrong))}': "):
            model.complete(PROMPTS[:1], max_new_tokens=2, **wrong)


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_a_batch_that_does_not_fit_the_gpu_is_halved(loaded, monkeypatch, name):
    model, sizes, room = loaded[name], [], 2
    expected = model.complete(PROMPTS, max_new_tokens=6, do_sample=False)
    generate = model._model.generate

    def small(input_ids, **rest):
        sizes.append(len(input_ids))
        if len(input_ids) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(input_ids=input_ids, **rest)

    monkeypatch.setattr(model._model, "generate", small)
    assert model.complete(PROMPTS, max_new_tokens=6, do_sample=False) == expected
    assert sizes == [5, 2, 2, 1]
    room = 0
    with pytest.raises(LabError, match="no memory for even one prompt"):
        model.complete(PROMPTS, max_new_tokens=6)


# -------------------------------------------------------------------------------------------------- streams

DECODINGS = [
    {"do_sample": False},
    {"seed": 3},
    {"seed": 4, "temperature": 1.5, "top_k": 40, "top_p": 0.95, "repetition_penalty": 1.3},
    {"do_sample": False, "num_beams": 3},
]


@pytest.mark.parametrize("decoding", DECODINGS)
def test_a_stream_is_the_completion_in_pieces(model, decoding):
    for prompt in PROMPTS[1:3]:
        pieces = list(model.stream(prompt, max_new_tokens=16, **decoding))
        assert ["".join(pieces)] == model.complete([prompt], max_new_tokens=16, **decoding)
        assert all(pieces) and (len(pieces) > 2) == ("num_beams" not in decoding)


def test_streams_hold_nothing_between_two_pieces(loaded):
    """Other streams and the caller's random numbers go on as if they were alone."""
    alone = [list(loaded[name].stream(PROMPTS[0], max_new_tokens=12, seed=7)) for name in ("gpt2", "flan")]
    streams = [loaded[name].stream(PROMPTS[0], max_new_tokens=12, seed=7) for name in ("gpt2", "flan")]
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    together, drawn = [[], []], []
    for _ in range(3):
        for pieces, stream in zip(together, streams, strict=True):
            pieces.append(next(stream))
        drawn.append(torch.rand(1))
    assert torch.equal(torch.cat(drawn), expected)
    assert [pieces + list(stream) for pieces, stream in zip(together, streams, strict=True)] == alone


@pytest.mark.parametrize("name", ["gpt2", "flan"])
def test_whoever_stops_asking_stops_the_model(loaded, name):
    calls = []
    hook = loaded[name]._model.register_forward_hook(lambda *_: calls.append(1))
    try:
        stream = loaded[name].stream(PROMPTS[0], max_new_tokens=60)
        assert not calls
        next(stream)
        after_one = len(calls)
        stream.close()
        assert 1 <= len(calls) == after_one < 10
    finally:
        hook.remove()


def test_an_error_in_a_stream_reaches_the_caller(loaded, monkeypatch):
    stream = loaded["gpt2"].stream(PROMPTS[0])
    next(stream)

    def fail(**_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loaded["gpt2"]._model, "generate", fail)
    with pytest.raises(LabError, match="no memory"):
        list(stream)
    with pytest.raises(LabError, match="cannot decode with"):
        list(loaded["t5"].stream(PROMPTS[0], temperature=-1.0))


def test_a_character_of_many_bytes_comes_whole(loaded):
    for name in ("gpt2", "llama"):
        model = loaded[name]
        ids = model._tokenizer("naïve – 猫 🐈 dog", add_special_tokens=False).input_ids
        told = [model._settled_text(ids[:n]) for n in range(len(ids) + 1)]
        assert all(model._text(ids).startswith(text) for text in told)
        assert told[-1] == model._text(ids) and "\N{REPLACEMENT CHARACTER}" not in "".join(told)


# ---------------------------------------------------------------------------------------------- next tokens


@torch.no_grad()
def test_next_tokens_are_the_softmax_of_a_forward_pass(model):
    ids = torch.tensor([model._tokens(PROMPTS[1])])
    start = {"decoder_input_ids": torch.tensor([[0]])} if model.kind == "seq2seq" else {}
    probabilities = torch.softmax(model._model(ids, **start).logits[0, -1].double(), dim=-1)
    top = model.next_tokens(PROMPTS[1], 5)
    torch.testing.assert_close(
        torch.tensor([p for _, p in top]), probabilities.sort(descending=True).values[:5].float(), atol=1e-5, rtol=1e-4
    )
    assert sum(p for _, p in model.next_tokens(PROMPTS[1], 10**6)) == pytest.approx(1, abs=1e-4)
    best = int(probabilities.argmax())
    assert top[0][0] == model._token_text(best) and top[0][0].strip() in model._tokenizer.decode([best])


def test_next_tokens_keep_their_spaces(loaded):
    for name in ("gpt2", "t5", "llama"):
        model = loaded[name]
        id_of = model._tokenizer.convert_tokens_to_ids
        word = next(t for t in ("Ġdog", "▁dog", "▁") if t in model._tokenizer.get_vocab())
        assert model._token_text(id_of(word)) == word.replace("Ġ", " ").replace("▁", " ")
        assert model._token_text(model._eos[0]) in ("</s>", "<|endoftext|>")


# -------------------------------------------------------------------------------------------------- prompts


def test_every_model_is_asked_in_its_own_form(loaded):
    forms = {name: model.format for name, model in loaded.items()}
    assert forms == {
        "gpt2": "plain",
        "t5": "plain",
        "flan": "flan",
        "llama": "plain",
        "chat": "llama2-chat",
        "turns": "chat-template",
    }
    assert loaded["gpt2"].render(ASK) == loaded["t5"].render(ASK) == plain(ASK)
    assert loaded["flan"].render(ASK) == flan(ASK)
    assert loaded["chat"].render(ASK) == llama2_chat(ASK)
    turns = loaded["turns"].render(ASK)  # this template knows no system
    assert turns.startswith("<s>user: You are a vet.\n\nName the topic.") and turns.endswith("</s>\nassistant:")


def test_special_tokens(loaded):
    text = "a </s> <s> <|endoftext|> <pad> dog"
    for name, begin, end in [("gpt2", [], []), ("t5", [], [1]), ("llama", [1], []), ("chat", [1], [])]:
        ids = loaded[name]._tokens(text)
        inside = ids[len(begin) : len(ids) - len(end)]
        assert ids == begin + inside + end
        special = set(loaded[name]._tokenizer.all_special_ids) - {2 if name == "t5" else None}  # a "<" is its <unk>
        assert special and not special & set(inside)
    turns = loaded["turns"]
    rendered = turns._tokens(turns.render(ASK))
    assert rendered[0] == 1 and rendered.count(1) == 1 and rendered.count(2) == 1
    assert turns._tokens("a dog")[0] == 1 and turns._tokens("a dog").count(1) == 1


def test_a_t5_that_fills_gaps(copy):
    """The sentinels of its form are special, other names are text; what fills the first gap ends at the second."""
    folder, sentinels = copy("t5"), ["<extra_id_0>", "<extra_id_1>"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    first = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(sentinels)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", extra_special_tokens=sentinels
    )
    write_json(folder / "config.json", prompt_format="gaps", vocab_size=first + 2)
    weights = load_file(folder / "model.safetensors")
    weights["shared.weight"] = torch.cat([weights["shared.weight"], torch.randn(2, 32)])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = load_language_model(folder)
    ids = model._tokens(model.render(Ask("a dog </s> <pad>", "Topic:")))
    assert ids[-2:] == [first, 1] and not {0, 1, first, first + 1} & set(ids[:-2])
    assert model._text([first, *ids[:3], first + 1, *ids[:5], 1]) == model._text(ids[:3]) != ""
    assert first not in load_language_model(folder, format="plain")._tokens("a <extra_id_0>")


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_what_does_not_fit_the_context_is_refused(loaded, name):
    model = loaded[name]
    assert model.context == {"gpt2": 96, "llama": 256}[name]
    word = " dog"
    fits = next(word * n for n in range(model.context, 0, -1) if len(model._tokens(word * n)) == model.context - 20)
    assert len(model.complete([fits], max_new_tokens=20)) == 1
    message = f"{name}: prompt 2 has {model.context - 19} tokens and {model.context - 20} fit: .* is {model.context} "
    with pytest.raises(LabError, match=f"{message}tokens, of which 20 are kept"):
        model.complete([fits, fits + word], max_new_tokens=20)
    with pytest.raises(LabError, match="the prompt has .* fewer max_new_tokens"):
        model.stream(fits, max_new_tokens=21)
    with pytest.raises(LabError, match=f"and {model.context - 1} fit"):
        model.next_tokens(word * model.context)
    with pytest.raises(LabError, match="and 0 fit"):
        model.complete(["dog"], max_new_tokens=1000)


def test_t5_has_no_limit(loaded):
    assert loaded["t5"].context is None
    assert len(loaded["t5"].complete(["dog " * 200], max_new_tokens=3)) == 1


def test_empty_prompts_and_one_prompt_in_place_of_a_list(model):
    for empty in ("", " \n"):
        with pytest.raises(LabError, match="prompt 2 is empty"):
            model.complete(["dog", empty])
        with pytest.raises(LabError, match="the prompt is empty"):
            model.stream(empty)
        with pytest.raises(LabError, match="the prompt is empty"):
            model.next_tokens(empty)
    with pytest.raises(LabError, match="a list of prompts"):
        model.complete("a dog")


# ---------------------------------------------------------------------------------------------------- roles


def move_policy(shared):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in shared.trainable_parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def test_a_role_completes_as_the_shared_base_does(shared):
    move_policy(shared)
    texts = []
    for role in (BASE, REFERENCE, POLICY):
        model = RoleModel(shared, role, "a name")
        assert model.name == "a name" and model.render(ASK) == plain(ASK)
        for decoding in ({"do_sample": False}, {"seed": 3}):
            ours = model.complete(PROMPTS, max_new_tokens=6, **decoding)
            assert ours == shared.complete(PROMPTS, role, max_new_tokens=6, **decoding)
            assert ["".join(model.stream(PROMPTS[0], max_new_tokens=6, **decoding))] == model.complete(
                PROMPTS[:1], max_new_tokens=6, **decoding
            )
            texts.append(tuple(ours))
        top = model.next_tokens(PROMPTS[0], 1)
        assert model.complete(PROMPTS[:1], max_new_tokens=1, do_sample=False)[0].strip() == top[0][0].strip()
    assert len(set(texts)) == 6


def test_streams_of_two_roles_side_by_side(shared):
    move_policy(shared)
    roles = [RoleModel(shared, role, role) for role in (POLICY, BASE)]
    alone = [list(model.stream(PROMPTS[1], max_new_tokens=8)) for model in roles]
    first, second = (model.stream(PROMPTS[1], max_new_tokens=8) for model in roles)
    begun = [[next(first)], [next(second)]]
    assert [begun[0] + list(first), begun[1] + list(second)] == alone
    assert [p for p in shared.peft.parameters() if p.requires_grad]  # training may go on


def test_a_role_refuses_what_does_not_fit_and_cuts_nothing(shared):
    model = RoleModel(shared, POLICY, "PPO")
    assert model.context == 256
    word = " dog"
    long = word * 220  # more than the profile's max_prompt_tokens
    assert model.complete([long], max_new_tokens=5, do_sample=False) == [
        model._text(greedy_in_role(shared, model, long, 5))
    ]
    with pytest.raises(LabError, match="PPO: the prompt has .* of which 100 are kept"):
        model.complete([long], max_new_tokens=100)


def greedy_in_role(shared, model, prompt, steps):
    with shared.role(POLICY):
        return greedy_loop(model, prompt, steps)


def test_fingerprints_of_roles(shared, adapters):
    base, reference, policy = (RoleModel(shared, role, role) for role in (BASE, REFERENCE, POLICY))
    assert policy.fingerprint == reference.fingerprint != base.fingerprint  # PPO begins at SFT
    move_policy(shared)
    moved = policy.fingerprint
    assert moved != reference.fingerprint
    shared.add_adapter("again", adapters.sft)
    assert RoleModel(shared, "again", "again").fingerprint == reference.fingerprint
    shared.mix_adapters("halfway", {REFERENCE: 0.5, POLICY: 0.5})
    half = RoleModel(shared, "halfway", "halfway").fingerprint
    shared.mix_adapters("halfway", {REFERENCE: 0.25, POLICY: 0.75})
    assert RoleModel(shared, "halfway", "halfway").fingerprint not in (half, moved, reference.fingerprint)


@pytest.mark.parametrize("role", ["reward", "teacher"])
def test_roles_that_complete_nothing(shared, role):
    with pytest.raises(LabError, match=f"no role '{role}' that completes text: use one of base, reference, policy"):
        RoleModel(shared, role, "x")


def test_a_prompt_is_counted_as_it_is_sent(loaded):
    for name, model in loaded.items():
        prompt = "the cat sat"
        count = model.count_tokens(prompt)
        assert count == len(model._encode([prompt], 1)[0]) > 0, name
