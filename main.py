"""Opens the window; `python main.py COMMAND …` is the same studio without one."""

from dgm_studio.__main__ import start

if __name__ == "__main__":
    raise SystemExit(start())
