"""The contract as data: one folder a provider, and the loader that turns them into a catalogue."""
