"""OCI registries: content by digest, and names for it (OCI distribution specification, 1.1)."""
