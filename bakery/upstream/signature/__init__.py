"""Signatures that upstreams make: OpenPGP, minisign, cosign and Sigstore."""
