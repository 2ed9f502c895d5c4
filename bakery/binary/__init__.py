"""What is read from binaries: ELF headers, Go's build information."""
