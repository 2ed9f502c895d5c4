"""What must hold before an image ships: rules over its files."""
