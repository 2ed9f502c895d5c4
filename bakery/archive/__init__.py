"""The formats that upstream packs files in, read as a stream, and judged."""
