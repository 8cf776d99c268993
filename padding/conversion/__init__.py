"""From a model to the same model under a padding scheme: which layers are converted, and what they become."""
