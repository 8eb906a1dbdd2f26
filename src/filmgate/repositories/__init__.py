"""Hold all SQL, one file per noun; states change only by compare-and-set."""
