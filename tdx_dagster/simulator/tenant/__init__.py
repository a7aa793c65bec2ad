"""What the simulated tenant holds, its switches, and how its records are read, searched and sent."""
