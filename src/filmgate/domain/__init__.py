"""Name the things filmgate is about; standard library only."""
