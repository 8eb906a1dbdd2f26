"""What dev.py needs besides itself; standard library only, because it runs before anything is installed."""
