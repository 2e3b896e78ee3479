"""The small world: posts, gold reward, annotators and the corpus that the tiny base model is trained on."""
