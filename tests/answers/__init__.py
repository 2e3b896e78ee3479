"""Right and wrong answers to the exercises, as students write them; tests/test_exercise_answers.py runs them all."""
