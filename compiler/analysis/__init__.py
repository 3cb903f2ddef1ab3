"""What a program does on data: accuracy from stage to stage, residual potentials, operations and energy."""
