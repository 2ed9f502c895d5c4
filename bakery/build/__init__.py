"""The task graph: its steps, what has been done of them, and what a run shows."""
