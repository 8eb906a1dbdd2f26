def measure(*a, **k): raise SystemExit
