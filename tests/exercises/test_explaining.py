"""What the checker says of a wrong answer: a mistake only if all calls fit it, a pattern only if there is one."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.exercises.calling import Failure, Outcome
from helpers.exercises.checking import judge
from helpers.exercises.comparing import close, difference
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.explaining import explained, pattern
from helpers.exercises.inputs import normal
from tests.support.weighted_mean import EXERCISE, right

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))
arrays = st.lists(numbers, min_size=1, max_size=6).map(np.array)


def calls(*values):
    """Outcomes: of an array the value, of a text the error of that kind."""
    return [
        Outcome(failure=Failure(value, value)) if isinstance(value, str) else Outcome(np.asarray(value, float))
        for value in values
    ]


# --- A known mistake ----------------------------------------------------------

RIGHT = [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("got", "mistaken", "shows"),
    [
        ([1, 2, 5, 6], [1, 2, 5, 6], True),
        ([1, 9, 5, 6], [1, 2, 5, 6], False),  # wrong where the mistake is not
        ([1, 2, 5, 4], [1, 2, 5, 6], False),  # right where the mistake is
        ([1, 2, 5, 7], [1, 2, 5, 6], False),
        ([1, 2, 3, np.nan], [1, 2, 3, np.nan], True),
        ([1, 2, 3, np.inf], [1, 2, 3, np.nan], False),  # nothing shows it
        ([1, 2, 5, 4], [1, 2, 5, np.nan], True),  # the same mistake in a style that does not fail
        ([1, 2, 5, 9], [1, 2, 5, np.nan], False),
        ([1, 2, 5, 4], [1, 2, 5, "ValueError"], True),
        ([1, 2, 5, "TypeError"], [1, 2, 5, "ValueError"], True),  # torch's and numpy's
        ([1, 2, 5, 9], [1, 2, 5, "ValueError"], False),
        ([1, 2, 3, "TypeError"], [1, 2, 3, "ValueError"], False),
        ([1, 2, 3, "ValueError"], [1, 2, 3, "ValueError"], True),
        ([1, 2, 3, 4], [1, 2, 3, 4], False),
    ],
)
def test_a_mistake_shows_where_all_calls_fit_it(got, mistaken, shows):
    assert (explained(EXERCISE, calls(*got), calls(*mistaken), calls(*RIGHT)) > (0, 0)) is shows


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=6), st.data())
def test_no_mistake_shows_if_one_call_does_not_fit_it(cases, data):
    """In any set of calls: the mistake's own results show it, and one number changed in any of them does not."""
    expected = [value for value, _ in cases]
    mistaken = [value + 1 if tells else value for value, tells in cases]
    shows = explained(EXERCISE, calls(*mistaken), calls(*mistaken), calls(*expected))
    assert shows == ((len(cases), sum(tells for _, tells in cases)) if any(t for _, t in cases) else (0, 0))
    changed = data.draw(st.integers(0, len(cases) - 1))
    got = [value + 0.3 if i == changed else value for i, value in enumerate(mistaken)]
    assert explained(EXERCISE, calls(*got), calls(*mistaken), calls(*expected)) == (0, 0)


def test_a_mistake_with_a_call_that_fails_besides_is_named():
    def plain_mean_but_not_of_one(x, weights):
        return x.mean() if len(x) > 1 else x.mean() / 0 * 0

    assert judge(EXERCISE, plain_mean_but_not_of_one).misconception == "plain"


def exercise_with(*misconceptions, cases=None):
    """Twice the x, with these known mistakes."""
    return Exercise(
        name="twice", title="", minutes=1, difficulty=1, deliver="2 x", reference=lambda x: 2 * x, hints=("",),
        cases=cases or (lambda rng: [{"x": normal(rng, n)} for n in (4, 3, 2)] + [{"x": torch.full((2,), 200.0)}]),
        misconceptions=misconceptions,
    )  # fmt: skip


def test_of_several_mistakes_the_one_that_explains_most_is_named():
    """The first is unsure of the edge case, where it gives NaN; the second has the answer's own number there."""
    exercise = exercise_with(
        Misconception("unsure", "", lambda x: 3 * x + 0 * x.exp()),
        Misconception("sure", "", lambda x: 3 * x if x[0] < 100 else 2 * x),
    )
    assert judge(exercise, lambda x: x + x + x if x.max() < 100 else x + x).misconception == "sure"
    assert judge(exercise, lambda x: x + x + x + 0 * x.exp()).misconception == "unsure"


def test_a_mistake_in_several_variants():
    exercise = exercise_with(Misconception("power", "", (lambda x: x**2, lambda x: x.abs() ** 2.5)))
    assert judge(exercise, lambda x: x * x).misconception == "power"
    assert judge(exercise, lambda x: x.abs().pow(2.5)).misconception == "power"
    assert judge(exercise, lambda x: x**2 if len(x) > 3 else x.abs() ** 2.5).misconception is None


def test_known_mistakes_are_not_called_for_a_right_answer():
    def never(x):
        raise AssertionError

    assert judge(exercise_with(Misconception("never", "", never)), lambda x: x + x).status == "right"


# --- Patterns -----------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(arrays, min_size=1, max_size=4), st.floats(-5, 5), st.floats(-50, 50))
def test_a_pattern_is_one_number_for_many_different_ones(expected, ratio, offset):
    different = {float(x) for values in expected for x in values if x}
    times = pattern([ratio * values for values in expected], expected)
    if times is not None:
        assert len(different) >= 3
        assert abs(ratio - 1) >= 0.01
        assert times == (
            "its sign is the wrong way round everywhere"
            if "sign" in times
            else f"it is {ratio:.3g} times what it should be, everywhere"
        )
    elif len(different) >= 3:
        assert abs(ratio - 1) < 0.0101 or abs(ratio) < 0.01
    off = pattern([values + offset for values in expected], expected)
    if off is not None and "off by" in off:
        assert len(different) >= 3
        assert off == f"it is off by {offset:.3g} everywhere"
        assert abs(offset) > 1e-3 * max(map(abs, different))


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ([[3.0, 3.0, 3.0]], [[1.0, 1.0, 1.0]]),  # constants
        ([[2.0], [4.0]], [[1.0], [2.0]]),  # two numbers
        ([[1.001, 2.002, 3.003]], [[1.0, 2.0, 3.0]]),  # nearly right
        ([[1000.2, 2000.2, 3000.2]], [[1000.0, 2000.0, 3000.0]]),
        ([[0.0, 0.0, 0.0]], [[1.0, 2.0, 3.0]]),
        ([[2.0, 4.0, 6.0, 1.0]], [[1.0, 2.0, 3.0, 0.0]]),  # not everywhere
        ([[2.0, 4.0, np.nan]], [[1.0, 2.0, 3.0]]),
    ],
)
def test_no_pattern(got, expected):
    assert pattern(list(map(np.array, got)), list(map(np.array, expected))) is None


# --- The first that differs ---------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_first_differing_entry_is_named_with_both_numbers(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    expected = np.round(np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=shape), 3)
    wrong = sorted(data.draw(st.sets(st.integers(0, expected.size - 1), min_size=1, max_size=3)))
    values = data.draw(st.lists(st.sampled_from([np.nan, np.inf, 7.5, 100.0]), min_size=3, max_size=3))
    got = expected.copy()
    for at, value in zip(wrong, values, strict=False):
        got.flat[at] = value
    index = ", ".join(str(i) for i in np.unravel_index(wrong[0], shape))
    yours = {np.inf: "infinity", 7.5: "7.5", 100.0: "100"}.get(values[0], "NaN")
    said = difference(got, expected)
    assert said.startswith(f"entry [{index}] of the result is {yours}, not {expected.flat[wrong[0]]:.4g}")
    assert (f"({len(wrong)} of {expected.size} entries differ)" in said) == (expected.size > 1)


@pytest.mark.parametrize(
    ("got", "expected", "says"),
    [
        (np.zeros((2, 3)), np.zeros(3), "the result has shape (2, 3), not (3,)"),
        (np.array(1.0003), np.array(1.0001), "the result is 1.0003, not 1.0001"),
        ((np.zeros(2), np.array([1.0, 2])), (np.zeros(2), np.array([1.0, 5])), "entry [1] of entry [1] of the result"),
        ((np.zeros(2),), (np.zeros(2), np.zeros(2)), "the result has 1 entries, not 2"),
        ({"a": np.array(1.0)}, {"a": np.array(2.0)}, "'a' of the result is 1, not 2"),
        ({"b": np.array(1.0)}, {"a": np.array(2.0)}, "the result has the keys ['b'], not ['a']"),
        ("cat", "dog", "the result is 'cat', not 'dog'"),
        (None, np.array(2.0), "the result is None, not 2"),
    ],
)
def test_difference_in_words(got, expected, says):
    assert says in difference(got, expected)


def test_the_largest_difference_where_small_ones_do_not_count():
    assert "entry [2]" in difference(np.array([1.001, 2, 9.0]), np.array([1.0, 2, 3]), largest=True)


@given(arrays, arrays)
@settings(max_examples=100, deadline=None)
def test_close_is_the_same_either_way_and_never_raises(a, b):
    assume(a.shape == b.shape)
    assert close(a, a)
    assert close(a, b) == (difference(a, b).count("differ") == 0 and (a.size > 1 or np.allclose(a, b, 1e-4, 1e-5)))


# --- Values, then gradients ---------------------------------------------------


def test_nothing_is_said_of_gradients_unless_all_values_are_right():
    def right_for_one_only(x, weights):
        return right(x, weights).detach() if len(x) == 1 else right(x, weights).detach() + len(x)

    message = judge(EXERCISE, right_for_one_only).message
    assert "gradient" not in message
    assert "right for 1 of 3 inputs, but the result is" in message


def test_a_wrong_gradient_is_shown_by_its_first_entry():
    def doubled(x, weights):
        return 2 * right(x, weights) - right(x, weights).detach()

    message = judge(EXERCISE, doubled).message
    assert message.startswith("the values are right, but entry [0] of the gradient by `x` is ")


def test_wrong_numbers_are_shown_before_nan():
    """NaN where everything is masked follows from a mistake that the other inputs show better."""

    def inverted(x, mask):
        return x[~mask].mean()

    masked = Exercise(
        name="masked", title="", minutes=1, difficulty=1, deliver="", hints=("",), misconceptions=(),
        reference=lambda x, mask: x[mask].mean(),
        cases=lambda rng: [
            {"x": normal(rng, 3), "mask": torch.tensor([True, True, True])},
            {"x": normal(rng, 4), "mask": torch.tensor([True, False, True, False])},
        ],
    )  # fmt: skip
    message = judge(masked, inverted).message
    assert "NaN" not in message
    assert "mask=[ True, False,  True, False]" in message


@pytest.mark.parametrize(
    ("reference", "answer", "says"),
    [
        (lambda x: x > 0, lambda x: (x > 0).float(), "they are floats: the lab needs True and False"),
        (lambda x: x > 0, lambda x: (x > 0).int(), "they are integers: the lab needs True and False"),
        (lambda x: x.argsort(), lambda x: x.argsort().float(), "they are floats: the lab needs integers"),
        (lambda x: x.round(), lambda x: x.round().int(), None),
    ],
)
def test_what_selects_must_be_able_to(reference, answer, says):
    exercise = Exercise(
        name="selects", title="", minutes=1, difficulty=1, deliver="", hints=("",), misconceptions=(),
        reference=reference, cases=lambda rng: [{"x": normal(rng, 5, scale=3)} for _ in range(2)],
    )  # fmt: skip
    verdict = judge(exercise, answer)
    assert (says in verdict.message) if says else verdict.status == "right"


def test_nan_is_wrong_whatever_the_exercise_calls_the_same():
    exercise = Exercise(
        name="lenient", title="", minutes=1, difficulty=1, deliver="", hints=("",), misconceptions=(),
        reference=lambda x: x, cases=lambda rng: [{"x": 1.0}, {"x": 2.0}], same=lambda a, b: not a > 3,
    )  # fmt: skip
    assert judge(exercise, lambda x: 2.5).status == "right"
    assert judge(exercise, lambda x: float("nan")).status == "wrong"
