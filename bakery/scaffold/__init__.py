"""New recipes, made from what an upstream publishes."""
