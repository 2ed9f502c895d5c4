"""A cache that machines share: blobs by their digests, results by keys."""
