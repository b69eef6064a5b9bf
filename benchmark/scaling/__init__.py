"""How time and memory of a run grow: with images, their size, subjects, models and jobs."""
