"""What several tests and benchmarks stand on: real binaries, a mirror, a project."""
