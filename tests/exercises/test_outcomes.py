"""What a call gave comes through another process as it was, and nothing in it is executed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.exercises.comparing import close
from helpers.exercises.outcomes import Failure, Foreign, Outcome, from_bytes, to_bytes

ARRAYS = arrays(st.sampled_from([np.float64, np.float32, np.int64, np.bool_]), array_shapes(min_dims=0, min_side=0))
PLAIN = st.recursive(
    st.none() | st.text() | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=PLAIN, gradients=st.none() | st.dictionaries(st.text(), ARRAYS, max_size=2), says=st.text())
def test_an_outcome_comes_back_as_it_was(value, gradients, says):
    sent = Outcome(value, True, ("floats", ""), gradients, Failure("ValueError", says, True), "x")
    back = from_bytes(to_bytes([sent, Foreign(says)]))
    assert isinstance(back, list) and back[1] == Foreign(says)
    assert close(back[0].value, value)
    assert (gradients is None) == (back[0].gradients is None) and close(back[0].gradients, gradients)
    assert (back[0].tensors, back[0].kinds, back[0].failure, back[0].changed) == (True, sent.kinds, sent.failure, "x")


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04.", b'["eval", "1"]', b'["array", "O", [1], "AA=="]', b'["Outcome", 1']
)
def test_other_bytes_are_refused(data):
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_bytes(data)


def test_what_is_no_plain_data_is_not_sent():
    with pytest.raises(TypeError):
        to_bytes(object())
