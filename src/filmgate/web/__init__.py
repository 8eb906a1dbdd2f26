"""Hold the files that browsers load; nothing here comes from another host."""
