"""Images merged by a real systemd: machines that boot them, and what must hold once they run."""
