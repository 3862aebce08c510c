"""Training steps and predictions: what one thread does in each part of a step, and the entries that split the work."""
