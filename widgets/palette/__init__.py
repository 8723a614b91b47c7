"""The command palette: a field over the window that finds everything there is to do, to set and to see."""
