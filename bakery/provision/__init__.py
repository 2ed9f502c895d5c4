"""Onto machines: what a host needs to run extensions, written for whatever sets it up."""
