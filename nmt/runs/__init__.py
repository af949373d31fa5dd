"""Run folders: what training leaves behind and translation needs, the states of training, and
averages of weights."""
