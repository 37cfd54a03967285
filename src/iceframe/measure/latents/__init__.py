"""Whether latents mean something: scores of disentanglement, and what they are made of."""
