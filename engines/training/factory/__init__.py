"""Training factory: synthetic photographs of dressed bodies with complete truth, written as shards."""
