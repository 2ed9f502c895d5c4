"""What workflows need: the matrix of their jobs, and results handed from one job to the next."""
