"""What a catalogue costs: bytes, seconds, calls; from locks, records and folders."""
