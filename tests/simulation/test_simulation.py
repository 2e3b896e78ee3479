"""The small world: topic files, grammar, reader, gold reward and corpus keep what they promise."""

import random
import re
from collections import Counter, defaultdict
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.simulation import corpus, gold, phrasings, posts
from helpers.simulation.wording import ESSENTIAL, KINDS, SLOT, Fact, draw_fact, find_facts, normalize, topics

deterministic = settings(derandomize=True, deadline=None, max_examples=100)
TOPICS = sorted(topics())
every_topic = pytest.mark.parametrize("topic", TOPICS)
PER_SPLIT = {"train": 8000, "validation": 1000, "test": 1000}


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[posts.Post]]:
    """Ten thousand posts drawn freely, with repetitions if the grammar gives any."""
    return {
        split: [posts.draw_post(rng, split) for _ in range(n)]
        for split, n in PER_SPLIT.items()
        for rng in [random.Random(f"tests/{split}")]
    }


@pytest.fixture(scope="module")
def some(drawn) -> list[posts.Post]:
    """2,000 of them: 1,000 of the training split, 500 of each other one."""
    return drawn["train"][:1000] + drawn["validation"][:500] + drawn["test"][:500]


def own_facts(post: posts.Post) -> set[Fact]:
    return {post.goal, post.constraint, post.question, *post.details}


def all_facts(kinds=KINDS) -> list[Fact]:
    """Every fact of every topic, with a number from its slot."""
    rng = random.Random(0)
    return [
        draw_fact(topic, kind, index, rng)
        for topic in TOPICS
        for kind in kinds
        for index in range(len(topics()[topic][kind + "s"]))
    ]


def said(fact: Fact, wording: int) -> str:
    """The fact as a whole sentence in the first person."""
    template = {"goal": "I want to {vp}.", "question": "{Q}"}.get(fact.kind, "{S}.")
    slot = {"goal": "goal", "question": "question"}.get(fact.kind, "clause")
    return phrasings.fill(template, **{slot: fact.text(wording)})


# ------------------------------------------------------------------------------------------ topic files


def test_there_are_enough_topics():
    assert len(TOPICS) >= 12


@every_topic
def test_a_topic_has_enough_facts_each_in_two_wordings(topic):
    table = topics()[topic]
    for kind, least in (("goals", 15), ("constraints", 15), ("questions", 12), ("details", 20)):
        assert len(table[kind]) >= least
        assert all(len(wordings) == 2 for wordings in table[kind])
        assert len({wording for wordings in table[kind] for wording in wordings}) == 2 * len(table[kind])
        for first, second in table[kind]:  # the same number in both
            assert SLOT.findall(first) == SLOT.findall(second) and len(SLOT.findall(first)) <= 1
    assert len(table["subreddits"]) >= 4 and all(name.startswith("r/") for name in table["subreddits"])
    assert len(set(table["titles"])) >= 10


@pytest.mark.parametrize("name", ["GOAL", "CONSTRAINT", "QUESTION", "DETAIL", "OPENER", "FEELING", "CLOSER", "SUMMARY"])
def test_each_kind_of_sentence_has_enough_phrasings(name):
    assert len(set(getattr(phrasings, name))) >= 10


@every_topic
def test_no_wording_is_contained_in_another(topic):
    """Otherwise stating one fact would state another too."""
    forms = [
        (" ".join(["", *(word for sentence in normalize(SLOT.sub("987654321", w)) for word in sentence), ""]), w)
        for kind in KINDS
        for wordings in topics()[topic][kind + "s"]
        for w in wordings
    ]
    contained = [(a, b) for form, a in forms for other, b in forms if a is not b and form in other]
    assert contained == []


# ------------------------------------------------------------------------------------------ reader


def test_the_reader_recognizes_every_fact_in_both_wordings_and_no_other():
    for fact in all_facts():
        for wording in (0, 1):
            for text in (said(fact, wording), phrasings.to_plural(said(fact, wording))):
                assert {mention.fact for mention in gold.stated_facts(text)} == {fact}, text


@pytest.mark.parametrize(
    "text",
    [
        "We've been thinking about adopting a rescue dog.",
        "i want to ADOPT our rescue dogs!",
        "Now, should she adopt this rescue dog",
        "adopted a rescue   dog",
    ],
)
def test_the_reader_recognizes_other_forms(text):
    table = topics()["pets"]["goals"]
    (index,) = [i for i, wordings in enumerate(table) if "adopt a rescue dog" in wordings]
    assert [mention.fact for mention in find_facts(text)] == [Fact("pets", "goal", index)]


@pytest.mark.parametrize("text", ["adopt a rescue cat", "adopt a dog. Rescue", "rescue a dog", "a dog to adopt"])
def test_the_reader_recognizes_nothing_else(text):
    assert find_facts(text) == []


def test_another_number_is_another_fact():
    fact = next(fact for fact in all_facts(("constraint",)) if fact.value)
    other = Fact(fact.topic, fact.kind, fact.index, fact.value + 1)
    assert [mention.fact for mention in find_facts(other.text())] == [other] != [fact]
    words = Fact(fact.topic, fact.kind, fact.index, 7)
    assert [mention.fact for mention in find_facts(words.text().replace("7", "seven"))] == [words]
    large = Fact(fact.topic, fact.kind, fact.index, 12_500)
    assert "12,500" in large.text() and [mention.fact for mention in find_facts(large.text())] == [large]


@deterministic
@given(st.text(max_size=200))
@example("²③½ 0x1F ٣٤ 1,000,000 '''s n't can't've İ’s ﬁne")
@example("\ud800")
def test_reading_is_total(text):
    assert all(isinstance(word, str) and word for sentence in normalize(text) for word in sentence)
    assert isinstance(find_facts(text), list)


# ------------------------------------------------------------------------------------------ posts


def test_posts_are_distinct(drawn):
    texts = {post.prompt for split in drawn.values() for post in split}
    assert sum(PER_SPLIT.values()) == 10_000 and len(texts) >= 9_900


def test_no_combination_is_in_two_splits(drawn):
    splits = defaultdict(set)
    for split, of_split in drawn.items():
        for post in of_split:
            splits[tuple(getattr(post, kind).key for kind in ESSENTIAL)].add(split)
    assert Counter(map(len, splits.values())).keys() == {1}
    shares = Counter(next(iter(found)) for found in splits.values())
    assert set(shares) == set(PER_SPLIT)


def test_the_reader_finds_exactly_the_facts_of_a_post(some):
    for post in some:
        found = {mention.fact for mention in gold.stated_facts(post.prompt)}
        assert found == own_facts(post), post.prompt


def test_prompts_have_the_format_of_the_tldr_sets(some):
    form = re.compile(r"SUBREDDIT: r/\w+\n\nTITLE: \S[^\n]*\S\n\nPOST: \S[^\n]*\S\n\nTL;DR:")
    for post in some:
        assert form.fullmatch(post.prompt), post.prompt
        assert not re.search(r"[{}]|  |None|\.\.| [,.?!]|\bwe (am|was)\b", post.prompt), post.prompt


def test_posts_vary_as_people_do(some):
    assert 0.1 < sum(post.plural for post in some) / len(some) < 0.4
    assert {len(post.details) for post in some} == {1, 2, 3, 4}
    assert {post.goal.topic for post in some} == set(TOPICS)


def test_nobody_is_we_who_speaks_of_one_person(some):
    of_one = [post for post in some if any(phrasings.SINGULAR.search(fact.text(0)) for fact in own_facts(post))]
    assert of_one and not any(post.plural for post in of_one)


def test_a_seed_gives_the_same_posts_and_another_seed_others():
    first, again, other = (posts.draw_posts(50, seed, "test") for seed in (1, 1, 2))
    assert first == again
    assert not {post.prompt for post in first} & {post.prompt for post in other}
    assert len({post.prompt for post in first}) == 50
    write = [[posts.write_human_summary(post, random.Random(3)) for post in first] for _ in range(2)]
    assert write[0] == write[1]


# ------------------------------------------------------------------------------------------ gold reward


def test_perfect_summaries_score_three(some):
    rng = random.Random(0)
    for post in some:
        summary = posts.write_summary(post, rng)
        assert gold.gold_reward(post.prompt, " " + summary) == 3.0, (summary, gold.score(post.prompt, summary))


@pytest.mark.parametrize("wording", [0, 1])
@pytest.mark.parametrize("template", phrasings.SUMMARY)
def test_perfect_summaries_score_three_in_every_form_and_wording(some, template, wording):
    for post in some[:: len(some) // 100]:
        facts = (post.goal, post.constraint, post.question)
        goal, clause, question = (fact.text(wording) for fact in facts)
        summary = phrasings.fill(template, goal=goal, clause=clause, question=question)
        summary = phrasings.to_plural(summary) if post.plural else summary
        assert gold.gold_reward(post.prompt, summary) == 3.0, (summary, gold.score(post.prompt, summary))


def test_each_fact_left_out_costs_one(some):
    rng = random.Random(0)
    for post in some[:200]:
        for keep in phrasings.SUMMARY_OF:
            assert gold.gold_reward(post.prompt, posts.write_summary(post, rng, keep)) == len(keep)


def test_faults_cost_what_the_rubric_says():
    post = posts.draw_posts(1, 0)[0]
    best = posts.write_summary(post, random.Random(0))
    flawed = {
        "irrelevant": f"{best} {said(post.details[0], 0)}",
        "broken_ending": best.rstrip(".?!"),
        "unsupported": best[:-1] + " zygote" + best[-1],
    }
    for fault, text in flawed.items():
        seen = gold.score(post.prompt, text)
        assert getattr(seen, fault) == 1 and not seen.excess_words, (fault, text)
        assert seen.total == pytest.approx(3.0 - gold.PENALTY[fault])
    invented = Fact(post.goal.topic, "constraint", (post.constraint.index + 1) % 15, 977)
    seen = gold.score(post.prompt, f"{best} {said(invented, 0)}")
    assert seen.invented == 1 and not seen.excess_words
    assert seen.total == pytest.approx(3.0 - gold.PENALTY["invented"])  # its words are not charged again


def test_a_denied_goal_is_not_stated():
    post = posts.draw_posts(1, 0)[0]
    denied = gold.score(post.prompt, f"I don't want to {post.goal.text()}.")
    assert not denied.goal and denied.invented == 1 and denied.total < 0


def test_repeating_never_pays(some):
    rng = random.Random(0)
    for post in some[:300]:
        text = posts.write_human_summary(post, rng)
        text += "" if text.endswith((".", "?", "!")) else "."
        before = gold.gold_reward(post.prompt, text)
        for fact in (post.goal, post.constraint, post.question):
            if fact in {mention.fact for mention in find_facts(text)}:
                for wording in (0, 1):
                    assert gold.gold_reward(post.prompt, f"{text} {said(fact, wording)}") <= before
        assert gold.gold_reward(post.prompt, f"{text} {text}") <= before


ADVERSARIAL = {
    "empty": lambda post, honest: "",
    "blank": lambda post, honest: " \n\t ",
    "full stop": lambda post, honest: ".",
    "verbatim post": lambda post, honest: post.body,
    "verbatim prompt": lambda post, honest: post.prompt,
    "title": lambda post, honest: post.title,
    "keywords of the post": lambda post, honest: ", ".join(sorted(set(re.findall(r"\w+", post.body)))) + ".",
    "keywords of the facts": lambda post, honest: ", ".join(sorted(set(re.findall(r"\w+", honest)))) + ".",
    "no punctuation": lambda post, honest: re.sub(r"[.?!]", "", honest),
    "ten times": lambda post, honest: " ".join([honest] * 10),
    "one sentence ten times": lambda post, honest: " ".join([said(post.goal, 0)] * 10),
    "Russian": lambda post, honest: "Хочу взять собаку из приюта, но хозяин квартиры против. Что делать?",
    "Chinese": lambda post, honest: "我想领养一只狗，但是房东不同意。怎么办？",
    "Arabic": lambda post, honest: "أريد أن أتبنى كلباً لكن المالك يرفض.",
    "emoji": lambda post, honest: "🐶🏠❌❓",
    "every fact of the topic": lambda post, honest: " ".join(
        said(fact, 0) for fact in all_facts() if fact.topic == post.goal.topic
    ),
    "another post's summary": lambda post, honest: posts.write_summary(
        next(p for p in posts.draw_posts(20, 99) if p.goal.topic != post.goal.topic), random.Random(0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_texts_score_below_an_honest_summary(some, name):
    for post in some[:60]:
        honest = posts.write_summary(post, random.Random(1))
        tried = gold.gold_reward(post.prompt, ADVERSARIAL[name](post, honest))
        assert tried < gold.gold_reward(post.prompt, honest)
        # Most lose to a summary that leaves a fact out, too; not a short post in full, or a TL;DR without full stops.
        if name not in ("no punctuation", "verbatim post", "verbatim prompt"):
            shorter = posts.write_summary(post, random.Random(1), ("goal", "question"))
            assert tried < gold.gold_reward(post.prompt, shorter)


@deterministic
@given(st.text(max_size=300), st.text(max_size=300))
@example("", "")
@example("SUBREDDIT: r/dogs\n\nTITLE: \n\nPOST: \n\nTL;DR:", "not " * 500)
def test_the_gold_reward_is_total(prompt, completion):
    seen = gold.score(prompt, completion)
    assert -3.0 <= seen.total <= 3.0 and seen.total == gold.gold_reward(prompt, completion)


# ------------------------------------------------------------------------------------------ grammar


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("adopt a rescue dog", "adopting a rescue dog"),
        ("quit my job", "quitting my job"),
        ("begin again", "beginning again"),
        ("get a loan", "getting a loan"),
        ("bake bread", "baking bread"),
        ("buy a car", "buying a car"),
        ("visit Rome", "visiting Rome"),
        ("brighten the kitchen", "brightening the kitchen"),
        ("travel", "traveling"),
    ],
)
def test_gerund(phrase, expected):
    assert phrasings.gerund(phrase) == expected


def test_the_gerund_of_every_goal_states_that_goal():
    for fact in all_facts(("goal",)):
        for wording in (0, 1):
            text = phrasings.gerund(fact.text(wording))
            assert text.split()[0].endswith("ing"), text
            assert fact in {mention.fact for mention in find_facts(text)}, text
            seen = gold.score(f"POST: {said(fact, wording)}\n\nTL;DR:", f"Thinking about {text}.")
            assert seen.goal and seen.total == 1.0, (text, seen)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("I want to sell my car.", "We want to sell our car."),
        ("My wife and I'm? I'm here. I am not.", "Our wife and we're? We're here. We are not."),
        ("It was mine, I was told myself", "It was ours, we were told ourselves"),
        ("Tell me. I asked", "Tell us. We asked"),
        ("In Italy, mystery and home stay", "In Italy, mystery and home stay"),
    ],
)
def test_to_plural(one, many):
    assert phrasings.to_plural(one) == many
    assert phrasings.to_plural(many) == many


@pytest.mark.parametrize(
    ("asked", "direct"),
    [
        ("how to convince my landlord", "how do I convince my landlord?"),
        ("where to look", "where do I look?"),
        ("whether to wait until winter", "should I wait until winter?"),
        ("which car forum to join", "which car forum should I join?"),
    ],
)
def test_direct_question(asked, direct):
    assert phrasings.direct_question(asked) == direct


# ------------------------------------------------------------------------------------------ corpus


@pytest.mark.parametrize("shares", [corpus.SHARES, corpus.COPY_SHARES])
def test_the_shares_add_up(shares):
    assert set(shares) == set(corpus.WRITERS) and sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", corpus.WRITERS)
def test_documents_of_a_kind_are_whole_and_repeat_with_the_seed(kind):
    first, again = (list(islice(corpus.documents(5, "test", {kind: 1.0}), 50)) for _ in range(2))
    assert first == again and len(set(first)) >= 45
    assert first != list(islice(corpus.documents(6, "test", {kind: 1.0}), 50))
    for given_part, rest in first:
        assert rest.strip() and not re.search(r"[{}]|\bNone\b", given_part + rest)


def test_posts_with_summaries_are_in_the_format_that_models_continue():
    for given_part, rest in islice(corpus.documents(0, "train", {"post_with_summary": 1.0}), 50):
        assert given_part.endswith("\n\nTL;DR:") and rest.startswith(" ") and rest[1:2].strip()


def test_the_corpus_keeps_its_shares_and_its_split():
    counted = Counter(
        "post_with_summary" if given_part.endswith("TL;DR:") else "steps" if given_part.startswith("POST:") else "rest"
        for given_part, _ in islice(corpus.documents(0, "train"), 1000)
    )
    for kind in ("post_with_summary", "steps"):
        assert abs(counted[kind] / 1000 - corpus.SHARES[kind]) < 0.05
    for given_part, _ in islice(corpus.documents(0, "test", {"post_with_summary": 1.0}), 100):
        of_kind = {mention.fact.kind: mention.fact for mention in gold.stated_facts(given_part)}
        indices = (of_kind[kind].index for kind in ESSENTIAL)
        assert posts.split_of(of_kind["goal"].topic, *indices) == "test"
