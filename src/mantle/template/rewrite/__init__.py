"""Templates written anew: laid out, summed up, carried over from CFN. Pure, text to text."""
