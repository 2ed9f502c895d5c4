"""Where assets come from: package indexes and checksum files."""
