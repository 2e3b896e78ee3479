"""Lab 04, first part: prompts and votes, as students write them."""

import random
import statistics
from collections import Counter

from tests.exercises.unseen.record import Unseen

# few_shot_prompt


def few_shot_trailing_space(examples, query, label):  # a space after the last colon
    parts = [f"Sentence: {s}\n{label}: {a}\n\n" for s, a in examples]
    return "".join(parts) + f"Sentence: {query}\n{label}: "


def few_shot_topic(examples, query, label):  # "Topic" hard-coded
    text = ""
    for sentence, answer in examples:
        text += "Sentence: " + sentence + "\nTopic: " + answer + "\n\n"
    return text + "Sentence: " + query + "\nTopic:"


def few_shot_no_blank_line(examples, query, label):  # no blank line between the examples
    lines = [f"Sentence: {s}\n{label}: {a}" for s, a in examples]
    return "\n".join([*lines, f"Sentence: {query}\n{label}:"])


def few_shot_no_sentence(examples, query, label):  # "Sentence:" is missing
    return "\n\n".join([f"{s}\n{label}: {a}" for s, a in examples] + [f"{query}\n{label}:"])


def few_shot_no_label(examples, query, label):  # ends with the query: no label to be continued
    return "\n\n".join([f"Sentence: {s}\n{label}: {a}" for s, a in examples] + [f"Sentence: {query}"])


def few_shot_new_line_at_end(examples, query, label):  # a new line after the last colon
    shots = "".join(f"Sentence: {s}\n{label}: {a}\n\n" for s, a in examples)
    return shots + f"Sentence: {query}\n{label}:\n"


def few_shot_leading_blank(examples, query, label):  # without examples it begins with a blank line
    return "\n\n".join(f"Sentence: {s}\n{label}: {a}" for s, a in examples) + f"\n\nSentence: {query}\n{label}:"


def few_shot_query_first(examples, query, label):  # the query before the examples
    return "\n\n".join([f"Sentence: {query}\n{label}:"] + [f"Sentence: {s}\n{label}: {a}" for s, a in examples])


def few_shot_one_line(examples, query, label):  # an example on one line
    return "\n\n".join([f"Sentence: {s} {label}: {a}" for s, a in examples] + [f"Sentence: {query} {label}:"])


def few_shot_list(examples, query, label):  # a list of texts
    return [f"Sentence: {s}\n{label}: {a}" for s, a in examples] + [f"Sentence: {query}\n{label}:"]


def few_shot_right_template(examples, query, label):
    template = "Sentence: {}\n{}:{}"
    shots = [template.format(s, label, " " + a) for s, a in examples]
    shots.append(template.format(query, label, ""))
    return "\n\n".join(shots)


def few_shot_right_lines(examples, query, label):
    lines = []
    for sentence, answer in examples:
        lines += ["Sentence: " + sentence, label + ": " + answer, ""]
    return "\n".join(lines + ["Sentence: " + query, label + ":"])


# self_consistency_vote


def vote_raw(answers):  # " Pets" and "pets" are two answers
    return Counter(answers).most_common(1)[0][0]


def vote_strip_only(answers):  # case still matters
    return Counter(a.strip() for a in answers).most_common(1)[0][0]


def vote_lower_only(answers):  # outer space still matters
    return statistics.mode(a.lower() for a in answers)


def vote_alphabetical(answers):  # a tie goes to the first of the alphabet
    cleaned = [a.strip().lower() for a in answers]
    return max(sorted(set(cleaned)), key=cleaned.count)


def vote_last_tie(answers):  # a tie goes to the last one seen
    cleaned = [a.strip().lower() for a in answers]
    return max(reversed(cleaned), key=cleaned.count)


def vote_first(answers):  # the first answer, no vote
    return answers[0].strip().lower()


def vote_random_tie(answers):  # a tie is drawn by lot
    counts = Counter(a.strip().lower() for a in answers)
    top = max(counts.values())
    return random.choice([a for a, c in counts.items() if c == top])


def vote_inner_space(answers):  # inner space is taken out too
    return Counter("".join(a.lower().split()) for a in answers).most_common(1)[0][0]


def vote_with_count(answers):  # the answer and its votes
    return Counter(a.strip().lower() for a in answers).most_common(1)[0]


def vote_majority_or_nothing(answers):  # nothing without more than half of the votes
    answer, votes = Counter(a.strip().lower() for a in answers).most_common(1)[0]
    return answer if votes > len(answers) / 2 else ""


def vote_right_loop(answers):
    votes = {}
    for a in answers:
        key = a.strip().lower()
        votes[key] = votes.get(key, 0) + 1
    best = None
    for key, count in votes.items():
        if best is None or count > votes[best]:
            best = key
    return best


SPACE = (r"space|blank after|ends? with|trailing|last character|bare",)
TIES = (r"\bties?\b|equal|first (one )?seen|first",)
UNSEEN = [
    Unseen("few_shot_prompt", few_shot_trailing_space, 1, SPACE),
    Unseen("few_shot_prompt", few_shot_topic, 2, (r"label|topic|hard-?coded",), (r"space|blank line",)),
    Unseen("few_shot_prompt", few_shot_no_blank_line, 3, (r"blank line|empty line|between",)),
    Unseen("few_shot_prompt", few_shot_no_sentence, 4, (r"sentence:|`?sentence`?",), (r"blank line",)),
    Unseen("few_shot_prompt", few_shot_no_label, 5, (r"label|ends? with|colon|last line",), (r"blank line",)),
    Unseen(
        "few_shot_prompt", few_shot_new_line_at_end, 6, (r"new line|newline|ends? with|trailing|bare|\\n|after the",)
    ),
    Unseen(
        "few_shot_prompt",
        few_shot_leading_blank,
        7,
        (r"no example|without example|empty|begin|start|zero-shot|no examples",),
    ),
    Unseen(
        "few_shot_prompt",
        few_shot_query_first,
        8,
        (r"(comes?|be|stands?|goes|is) (at the )?(last|end)|order|query.*(first|before|last|after|end)|last.*query",),
        (r"space",),
    ),
    Unseen(
        "few_shot_prompt",
        few_shot_one_line,
        9,
        (r"two lines|one line|own line|new line|newline|separate line|\\n",),
        (r"blank line|ends? with",),
    ),
    Unseen("few_shot_prompt", few_shot_list, 10, (r"\bstr\b|list|one text|join|single text",)),
    Unseen("self_consistency_vote", vote_raw, 1, (r"case|space|strip|lower|pets|spell",), (r"\bties?\b",)),
    Unseen("self_consistency_vote", vote_strip_only, 2, (r"case|capital|lower|upper",), (r"\bties?\b",)),
    Unseen("self_consistency_vote", vote_lower_only, 3, (r"space|strip|blank",), (r"\bties?\b",)),
    Unseen("self_consistency_vote", vote_alphabetical, 4, TIES, (r"\bcase\b|space|last",)),
    Unseen("self_consistency_vote", vote_last_tie, 5, TIES, (r"\bcase\b|space|alphabet",)),
    Unseen("self_consistency_vote", vote_random_tie, 6, TIES + (r"random|lot\b|chance",)),
    Unseen("self_consistency_vote", vote_first, 7, (r"most|votes?|count|major|first",), (r"\bties?\b",)),
    Unseen("self_consistency_vote", vote_inner_space, 8, (r"inner|inside|within|outer|between|words|space",)),
    Unseen("self_consistency_vote", vote_with_count, 9, (r"\bstr\b|tuple|the answer|count|only|pair|type",)),
    Unseen("self_consistency_vote", vote_majority_or_nothing, 10, (r"half|most|major|plural|more than|empty",)),
]
RIGHT = {
    "few_shot_prompt": [few_shot_right_template, few_shot_right_lines],
    "self_consistency_vote": [
        vote_right_loop,
        lambda answers: statistics.mode([a.strip().casefold() for a in answers]),
    ],
}
