"""What things cost, in CPU time."""
