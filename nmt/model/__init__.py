"""The network: one recurrence, the attention mechanisms, encoder, decoder and losses, in Keras.
`Seq2Seq` is all of it; the public layers and scores stand just below, in `nmt.layers` and
`nmt.attention`."""
