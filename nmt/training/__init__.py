"""From parallel text to a trained run: `trainer.train` sets a run up, feeds it, updates, evaluates,
saves, and resumes bit for bit."""
