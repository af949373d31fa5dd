"""The network in Keras: encoder, decoder, attention mechanisms and losses. `Seq2Seq` is the whole
model; the public layers and scores are in `nmt.layers` and `nmt.attention`, which it builds on."""
