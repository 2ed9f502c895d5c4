"""Images with partitions: a file system, its dm-verity hash tree, and the signature of its root."""
