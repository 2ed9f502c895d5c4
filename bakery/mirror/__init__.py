"""What is published, brought from one place to another as it is."""
