"""Signatures that upstreams make: OpenPGP, minisign and sigstore."""
