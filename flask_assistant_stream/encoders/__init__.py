"""Stream formats: a file here turns numbered events into bytes."""
