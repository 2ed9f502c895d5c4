"""Programs that bring along the loader and the libraries they need."""
