"""What people use in a notebook: DataFrames in, and results that show themselves. Loading a model needs no torch."""
