"""Hold the adapters to the machine: database, files, media, child processes, telemetry."""
