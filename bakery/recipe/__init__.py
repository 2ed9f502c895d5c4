"""What to build: recipes, locks and the images they describe, as pure values."""
