"""Builds, tests and publishes systemd-sysext images from upstream's own binaries."""
