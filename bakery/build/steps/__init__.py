"""The kinds of steps. What a kind's `run` imports decides its keys, so each imports little."""
