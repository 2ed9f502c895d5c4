"""What must hold before an image ships: rules over files, and a boot with a real systemd."""
